"""The World that the sources learn from, made of plain pairs.

Belongs here: from numbered pairs, and a catalogue where there is one, to a World. Reading and numbering: data.py. The
World itself, and how the night makes one of tables: jobs/ranking/watched.py.
"""

from __future__ import annotations

import numpy as np

from jobs.evaluation.data import Data, Watches
from jobs.ranking.watched import ALWAYS, NEVER, World


def world_of(data: Data, watches: Watches) -> World:
    """The World in which these watches happened and nothing else.

    A video is published when it is first seen, or always if nobody says when; never, if it is not to be ranked.
    """
    from scipy.sparse import csr_matrix

    viewers, videos = len(data.viewers), len(data.videos)
    published = np.full(videos, ALWAYS, dtype=np.int64)
    if data.has_times:
        first = np.full(videos, NEVER, dtype=np.int64)
        np.minimum.at(first, watches.video, watches.at)
        published = np.where(first == NEVER, published, first)
    published[~data.rankable] = NEVER
    nothing = np.zeros(0, dtype=np.int64)
    return World(
        viewers=data.viewers,
        videos=data.videos,
        starts=np.searchsorted(watches.viewer, np.arange(viewers + 1)).astype(np.int64),
        video=watches.video,
        at=watches.at,
        share=watches.share,
        published=published,
        creator=np.arange(videos, dtype=np.int64),
        hashtags=np.zeros(0, dtype=object),
        refused_starts=np.zeros(viewers + 1, dtype=np.int64),
        refused=nothing,
        refused_at=nothing,
        makes=np.full(viewers, -1, dtype=np.int64),
        tagged=csr_matrix((videos, 1), dtype=np.int64),
        content=data.content,
    )
