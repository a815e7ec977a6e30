"""item_item: what viewers of the same videos watched next, by how much and how lately this viewer watched them.

Belongs here: the similarity of two videos, and what it proposes. How much a watch speaks for its viewer: snapshot.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.ranking.sources.snapshot import Chunk, Snapshot
from jobs.ranking.sources.source import Found, Propose, Source

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# A watch vouches for the next NEXT watches of the same viewer, the d-th with weight share / (1 + d / NEXT_DECAY): what
# is watched soon after says more than what is watched anyway. Work is linear in watches, however long a history.
NEXT, NEXT_DECAY = 50, 20
# similarity = weight / (viewers_i * viewers_j ^ DAMPING + SHRINK): like a conditional probability, a little less for
# what everybody watches, and little for what rests on a few viewers.
DAMPING, SHRINK = 0.3, 20.0


def learn(snapshot: Snapshot) -> Propose:
    return partial(propose_similar, snapshot.world.videos, similarity(snapshot))


def similarity(snapshot: Snapshot) -> csr_matrix:
    """videos x videos: how much watching one (row) speaks for watching another next; next ones of the block only."""
    from scipy.sparse import csr_matrix

    world, audience = snapshot.world, snapshot.audience
    viewer = np.repeat(np.arange(len(world.viewers)), np.diff(world.starts))[snapshot.watches]
    video, share = world.video[snapshot.watches], world.share[snapshot.watches]
    size = len(world.videos)
    total = csr_matrix((size, size))
    for d in range(1, min(NEXT, len(video) - 1) + 1):
        # A viewer's watches are in order, so what follows d places later by the same viewer is a shift.
        pair = (viewer[:-d] == viewer[d:]) & (video[d:] % snapshot.blocks == snapshot.block)
        first, then = video[:-d][pair], video[d:][pair]
        weight = share[d:][pair] / (1 + d / NEXT_DECAY)
        weight /= audience[first] * audience[then] ** DAMPING + SHRINK
        total = total + csr_matrix((weight, (first, then)), shape=(size, size))
    return total


def propose_similar(videos: NDArray[np.object_], similar: csr_matrix, chunk: Chunk) -> Iterator[Found]:
    """The videos (numbers into the ids of `videos`) that are most similar to what each viewer watched."""
    every = (chunk.weights @ similar).toarray()
    for row in range(len(chunk.moments)):
        scores = np.round(every[row] * chunk.allowed[row], 9)
        top = _best(scores, ITEM_ITEM.cap)
        because: list[str | None] = []
        if len(top):
            # The watched video that says most for each proposal.
            weights = chunk.weights[row]
            terms = similar[weights.indices][:, top].toarray() * weights.data[:, None]
            because = [str(videos[v]) for v in weights.indices[np.argmax(np.round(terms, 12), axis=0)]]
        yield Found(top, scores[top], because)


def reason(watched: Column, title: Column) -> Column:
    return F.concat(F.lit("because you watched "), F.coalesce(title, watched))


def _best(scores: NDArray[np.float64], cap: int) -> NDArray[np.int64]:
    """The places of the `cap` best positive scores, best first, ties by place."""
    places = np.flatnonzero(scores > 0)
    if len(places) > cap:
        # All that tie with the last one stay, for the sort below to choose among by id.
        places = places[scores[places] >= np.partition(scores[places], -cap)[-cap]]
    return places[np.lexsort((places, -scores[places]))][:cap]


# Long histories give higher scores than short ones, so the ranker is given shares too.
ITEM_ITEM = Source("item_item", cap=150, learn=learn, reason=reason, has_share=True, pairs_per_watch=NEXT)
