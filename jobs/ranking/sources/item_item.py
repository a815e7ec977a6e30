"""item_item: what viewers of the same videos watched next, by how much and how lately this viewer watched them.

Belongs here: the similarity of two videos. How much a watch speaks for its viewer: snapshot.py. What is proposed from
similarities: similar.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobs.ranking.sources.similar import Similar, because_watched, joined, strongest
from jobs.ranking.sources.snapshot import Chunk, Snapshot
from jobs.ranking.sources.source import Propose, Source

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# A watch vouches for the next NEXT watches of the same viewer, the d-th with weight share / (1 + d / NEXT_DECAY): what
# is watched soon after says more than what is watched anyway. Work is linear in watches, however long a history.
NEXT, NEXT_DECAY = 50, 20
# similarity = weight / (viewers_i * viewers_j ^ DAMPING + SHRINK): like a conditional probability, a little less for
# what everybody watches, and little for what rests on a few viewers.
DAMPING, SHRINK = 0.3, 20.0
# So many of the videos that follow a video propose as well as all of them (docs/decisions/0021).
LONGEST = 300


def learn(snapshot: Snapshot) -> Propose:
    return Similar((strongest(similarity(snapshot), LONGEST),), recent, ITEM_ITEM.cap)


def recent(chunk: Chunk) -> csr_matrix:
    """The viewer's newest watches, the newest ones most."""
    return chunk.weights


def similarity(snapshot: Snapshot) -> csr_matrix:
    """videos x videos: how much watching one (row) speaks for watching another next; rows of the block only."""
    from scipy.sparse import csr_matrix

    world, audience = snapshot.world, snapshot.audience
    viewer = np.repeat(np.arange(len(world.viewers)), np.diff(world.starts))[snapshot.watches]
    video, share = world.video[snapshot.watches], world.share[snapshot.watches]
    size = len(world.videos)
    total = csr_matrix((size, size))
    for d in range(1, min(NEXT, len(video) - 1) + 1):
        # A viewer's watches are in order, so what follows d places later by the same viewer is a shift.
        pair = (viewer[:-d] == viewer[d:]) & (video[:-d] % snapshot.blocks == snapshot.block)
        first, then = video[:-d][pair], video[d:][pair]
        weight = snapshot.scale * share[d:][pair] / (1 + d / NEXT_DECAY)
        weight /= audience[first] * audience[then] ** DAMPING + SHRINK
        total = total + csr_matrix((weight, (first, then)), shape=(size, size))
    return total


# Long histories give higher scores than short ones, so the ranker is given shares too.
ITEM_ITEM = Source(
    "item_item",
    cap=150,
    learn=learn,
    reason=because_watched,
    has_share=True,
    pairs_per_watch=NEXT,
    join=joined,
)
