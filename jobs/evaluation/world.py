"""The World that the sources learn from, made of plain pairs.

Belongs here: from numbered pairs, and a catalogue where there is one, to a World. Reading and numbering: data.py. The
World itself, and how the night makes one of tables: jobs/ranking/watched.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jobs.evaluation.catalogue import Catalogue
from jobs.evaluation.data import Data, Watches
from jobs.ranking.watched import ALWAYS, NEVER, World


def world_of(data: Data, watches: Watches) -> World:
    """The World in which these watches happened and nothing else, and what no list may hold was refused.

    Without a catalogue a video is published when it is first seen, or always if nobody says when, and each has a
    creator of its own; never, if it is not to be ranked.
    """
    viewers = len(data.viewers)
    catalogue = data.catalogue or _unknown(data, watches)
    refused = data.refused or watches.where(np.zeros(len(watches), dtype=np.bool_))
    number = {creator: place for place, creator in enumerate(catalogue.creators)}
    return World(
        viewers=data.viewers,
        videos=data.videos,
        starts=_starts(watches, viewers),
        video=watches.video,
        at=watches.at,
        share=watches.share,
        published=np.where(data.rankable, catalogue.published, NEVER),
        creator=catalogue.creator,
        hashtags=catalogue.hashtags,
        refused_starts=_starts(refused, viewers),
        refused=refused.video,
        refused_at=refused.at,
        makes=np.array([number.get(viewer, -1) for viewer in data.viewers], dtype=np.int64),
        tagged=catalogue.tagged,
        content=data.content,
        repeats=data.repeats,
    )


def _unknown(data: Data, watches: Watches) -> Catalogue:
    """What the watches themselves say of the videos."""
    from scipy.sparse import csr_matrix

    videos = len(data.videos)
    published = np.full(videos, ALWAYS, dtype=np.int64)
    if data.has_times:
        first = np.full(videos, NEVER, dtype=np.int64)
        np.minimum.at(first, watches.video, watches.at)
        published = np.where(first == NEVER, published, first)
    nothing, nobody = np.zeros(0, dtype=object), np.zeros(0, dtype=object)
    return Catalogue(nobody, np.arange(videos), published, nothing, csr_matrix((videos, 1), dtype=np.int64))


def _starts(watches: Watches, viewers: int) -> NDArray[np.int64]:
    """Where the watches of each viewer begin, and where those of the last one end."""
    return np.searchsorted(watches.viewer, np.arange(viewers + 1)).astype(np.int64)
