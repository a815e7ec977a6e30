"""item_item: what viewers of the same videos watched next.

Belongs here: the similarity of two videos, and what it proposes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.sources.source import CAPS, ITEM_ITEM, Moment, Proposal, Snapshot
from jobs.ranking.watched import World

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# item_item. A watch vouches for the next NEXT watches of the same viewer, the d-th with weight share / (1 + d /
# NEXT_DECAY): what is watched soon after says more than what is watched anyway. Work is linear in watches, however long
# a history.
NEXT, NEXT_DECAY = 50, 20
# similarity = weight / (viewers_i * viewers_j ^ DAMPING + SHRINK): like a conditional probability, a little less for
# what everybody watches, and little for what rests on a few viewers.
DAMPING, SHRINK = 0.3, 20.0
# The newest HISTORY watches speak for a viewer, the r-th newest with weight share * RECENT / (RECENT - 1 + r).
HISTORY, RECENT = 50, 5


def similarity(
    world: World, before: NDArray[np.bool_], viewers: NDArray[np.int64], block: int, blocks: int
) -> csr_matrix:
    from scipy.sparse import csr_matrix

    user = np.repeat(np.arange(len(world.users)), np.diff(world.starts))[before]
    video, share = world.video[before], world.share[before]
    size = len(world.videos)
    total = csr_matrix((size, size))
    for d in range(1, min(NEXT, len(video) - 1) + 1):
        # A viewer's watches are in order, so what follows d places later by the same viewer is a shift.
        pair = (user[:-d] == user[d:]) & (video[d:] % blocks == block)
        first, then = video[:-d][pair], video[d:][pair]
        weight = share[d:][pair] / (1 + d / NEXT_DECAY)
        weight /= viewers[first] * viewers[then] ** DAMPING + SHRINK
        total = total + csr_matrix((weight, (first, then)), shape=(size, size))
    return total


def item_item(
    world: World, known: Snapshot, weights: csr_matrix, scores: NDArray[np.float64], moment: Moment
) -> Proposal:
    """What viewers of the same videos watched next, weighted by how much and how lately this viewer watched them."""
    scores = np.round(scores, 9)
    top = _best(scores, CAPS[ITEM_ITEM])
    because: list[str | None] = []
    if len(top):
        # The watched video that says most for each proposal.
        terms = known.similarity[weights.indices][:, top].toarray() * weights.data[:, None]
        because = [str(world.videos[v]) for v in weights.indices[np.argmax(np.round(terms, 12), axis=0)]]
    return Proposal(moment, ITEM_ITEM, top, scores[top], because)


def _best(scores: NDArray[np.float64], cap: int) -> NDArray[np.int64]:
    """The places of the `cap` best positive scores, best first, ties by place."""
    places = np.flatnonzero(scores > 0)
    if len(places) > cap:
        # All that tie with the last one stay, for the sort below to choose among by id.
        places = places[scores[places] >= np.partition(scores[places], -cap)[-cap]]
    return places[np.lexsort((places, -scores[places]))][:cap]
