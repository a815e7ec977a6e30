"""Baselines that are no sources of the night: popularity of all time, and the cosine between videos.

Belongs here: what every table of results has, and the night has something better for. Everything else that stands
beside the recommender is a source of its own: jobs/ranking/sources/registry.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.sources.popular import POPULAR
from jobs.ranking.sources.similar import Similar, because_watched, history, largest, nothing
from jobs.ranking.sources.snapshot import Chunk, Snapshot
from jobs.ranking.sources.source import Found, Propose, Source

# The longest list that can be asked for.
LONGEST = 200
# cosine = viewers of both / (sqrt(viewers of one * viewers of the other) + SHRINK), of each video the NEIGHBOURS best:
# within the ranges that Ferrari Dacrema, Cremonesi and Jannach, "Are we really making much progress?", RecSys 2019,
# search.
SHRINK, NEIGHBOURS, BLOCK = 10.0, 200, 512


def learn_popularity(snapshot: Snapshot) -> Propose:
    watched = np.flatnonzero(snapshot.audience)
    order = watched[np.lexsort((watched, -snapshot.audience[watched]))]
    return partial(_propose_popularity, order, snapshot.audience.astype(np.float64))


def _propose_popularity(order: NDArray[np.int64], scores: NDArray[np.float64], chunk: Chunk) -> Iterator[Found]:
    for allowed in chunk.allowed:
        top = order[allowed[order]][: POPULARITY.cap]
        yield Found(top, scores[top], [None] * len(top))


def learn_item_knn(snapshot: Snapshot) -> Propose:
    from scipy.sparse import vstack

    positives = snapshot.positives
    if not positives.nnz:
        return nothing
    length = np.sqrt(np.asarray(positives.multiply(positives).sum(axis=0)).ravel()).astype(np.float32)
    of_videos, every = positives.T.tocsr(), np.arange(positives.shape[1])
    blocks = []
    for first in range(0, len(every), BLOCK):
        own = every[first : first + BLOCK]
        both = of_videos[own] @ positives
        both.data /= np.repeat(length[own], np.diff(both.indptr)) * length[both.indices] + np.float32(SHRINK)
        blocks.append(largest(both, own, NEIGHBOURS))
    return Similar((vstack(blocks).tocsr(),), history, ITEM_KNN.cap)


# Most viewers ever; it also fills a list that is too short. The source `popular` takes the shortest window in which
# enough is going on.
POPULARITY = replace(POPULAR, name="popularity", cap=LONGEST, learn=learn_popularity)
ITEM_KNN = Source("item_knn", cap=150, learn=learn_item_knn, reason=because_watched, has_share=True)
BASELINES: tuple[Source, ...] = (POPULARITY, ITEM_KNN)
