"""fresh: new videos that few have seen, by the hashtags that the viewer likes.

Belongs here: the pool of new videos, and its order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.sources.source import CAPS, FRESH, Moment, Proposal, Snapshot
from jobs.ranking.watched import World

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# fresh: the newest videos that few have seen.
FRESH_POOL, FRESH_VIEWERS = 200, 50


def tagged(world: World, at: int) -> csr_matrix:
    from scipy.sparse import csr_matrix

    given = world.tagged.tocoo()
    known = given.data < at
    cells = (given.row[known], given.col[known])
    return csr_matrix((np.ones(np.count_nonzero(known)), cells), shape=given.shape)


def fresh_pool(world: World, known: Snapshot) -> NDArray[np.int64]:
    """The newest published videos that few have seen: each creator's newest, then each one's second newest, ..."""
    places = np.flatnonzero((world.published <= known.at) & (known.viewers < FRESH_VIEWERS))
    places = places[np.lexsort((places, -world.published[places], world.creator[places]))]
    first_of_creator = np.searchsorted(world.creator[places], world.creator[places])
    turn = np.arange(len(places)) - first_of_creator
    return places[np.lexsort((places, -world.published[places], turn))][:FRESH_POOL]


def fresh(world: World, known: Snapshot, liking: csr_matrix, pool: NDArray[np.int64], moment: Moment) -> Proposal:
    """The pool by this viewer's share of liking for each one's hashtags, then in its own order."""
    share = np.zeros(known.tagged.shape[1])
    if liking.nnz:
        share[liking.indices] = liking.data / liking.data.sum()
    tagged = known.tagged[pool]
    scores = np.round(tagged @ share, 9)
    order = np.lexsort((np.arange(len(pool)), -scores))[: CAPS[FRESH]]
    because: list[str | None] = []
    for place in order:
        tags = tagged.indices[tagged.indptr[place] : tagged.indptr[place + 1]]
        because.append(str(world.hashtags[tags[np.argmax(share[tags])]]) if scores[place] > 0 else None)
    return Proposal(moment, FRESH, pool[order], scores[order], because)
