"""fresh: new videos that few have seen, by the hashtags that the viewer likes.

Belongs here: the pool of new videos, and its order for one viewer.
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
from jobs.ranking.watched import ALWAYS

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# So many of the newest videos that fewer than FRESH_VIEWERS have watched.
POOL, FRESH_VIEWERS = 200, 50
# The words where no hashtag says why.
NEW_HERE = "new here"


def learn(snapshot: Snapshot) -> Propose:
    return partial(propose_liked, snapshot.world.hashtags, snapshot.tagged, _pool(snapshot))


def _pool(snapshot: Snapshot) -> NDArray[np.int64]:
    """The newest published videos that few have seen: each creator's newest, then each one's second newest, ..."""
    world = snapshot.world
    # Without a date nobody can say that it is new.
    is_dated = (world.published > ALWAYS) & (world.published <= snapshot.at)
    places = np.flatnonzero(is_dated & (snapshot.audience < FRESH_VIEWERS))
    places = places[np.lexsort((places, -world.published[places], world.creator[places]))]
    first_of_creator = np.searchsorted(world.creator[places], world.creator[places])
    turn = np.arange(len(places)) - first_of_creator
    return places[np.lexsort((places, -world.published[places], turn))][:POOL]


def propose_liked(
    hashtags: NDArray[np.object_], tagged: csr_matrix, pool: NDArray[np.int64], chunk: Chunk
) -> Iterator[Found]:
    """The pool by each viewer's share of liking for a video's hashtags, then in its own order."""
    liking, tags = (chunk.weights @ tagged).tocsr(), tagged[pool]
    for row in range(len(chunk.moments)):
        share = np.zeros(tagged.shape[1])
        liked = slice(liking.indptr[row], liking.indptr[row + 1])
        if liked.start < liked.stop:
            share[liking.indices[liked]] = liking.data[liked] / liking.data[liked].sum()
        scores = np.round(tags @ share, 9)
        places = np.flatnonzero(chunk.allowed[row, pool])
        top = places[np.argsort(-scores[places], kind="stable")][: FRESH.cap]
        because: list[str | None] = [None] * len(top)
        if chunk.explained:
            because = _most_liked(hashtags, tags, top, share)
        yield Found(pool[top], scores[top], because)


def _most_liked(
    hashtags: NDArray[np.object_], tags: csr_matrix, places: NDArray[np.int64], share: NDArray[np.float64]
) -> list[str | None]:
    """Of the hashtags in each of these rows of `tags`, the one that is liked most; None where none is."""
    because: list[str | None] = []
    for place in places:
        own = tags.indices[tags.indptr[place] : tags.indptr[place + 1]]
        most = own[np.argmax(share[own])] if len(own) else None
        because.append(None if most is None or not share[most] else str(hashtags[most]))
    return because


def reason(hashtag: Column, title: Column) -> Column:
    return F.when(hashtag.isNotNull(), F.concat(F.lit("new in #"), hashtag)).otherwise(NEW_HERE)


FRESH = Source("fresh", cap=30, learn=learn, reason=reason, has_share=False)
