"""tower: two learned towers, one reads what a viewer watched and one reads a video; their product is the score.

Belongs here: what the towers hold, what they give a viewer, and what is proposed. How they learn: tower_training.py.
Vectors without a network: factors.py.

The towers of Covington, Adams and Sargin, "Deep neural networks for YouTube recommendations", RecSys 2016: a viewer is
the sum of vectors of what they watched and what a small network adds to it; a video is a vector of its own, a
projection of its content, and a bias. To learn takes the extra `deep` (TensorFlow and Keras), to propose only numpy. So
it is no source of the night, and one of an evaluation when it is asked for (docs/decisions/0023).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.ranking.sources.similar import NOTHING, best, nothing
from jobs.ranking.sources.snapshot import Chunk, Snapshot
from jobs.ranking.sources.source import Found, Propose, Source

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Towers:
    """`read` and `shown` are videos x dimensions, `bias` a number a video; the network has one hidden layer."""

    read: Matrix
    shown: Matrix
    bias: Matrix
    inward: Matrix
    inward_bias: Matrix
    outward: Matrix
    outward_bias: Matrix

    def viewers(self, watched: csr_matrix) -> Matrix:
        """rows x dimensions: the vector of each row of viewers x videos. How much was watched of one is not read."""
        lengths = watched.getnnz(axis=1)
        ones = watched.astype(np.float32)
        ones.data[:] = 1
        history = (ones @ self.read) / np.sqrt(np.maximum(lengths, 1), dtype=np.float32)[:, None]
        vectors: Matrix = history + np.maximum(history @ self.inward + self.inward_bias, 0) @ self.outward
        return vectors + self.outward_bias

    def scores(self, watched: csr_matrix) -> Matrix:
        """rows x videos."""
        scores: Matrix = self.viewers(watched) @ self.shown.T + self.bias
        return scores


def learn(snapshot: Snapshot) -> Propose:
    from jobs.ranking.sources.tower_training import chosen_rounds, trained

    if not snapshot.positives.nnz:
        return nothing
    kept, watched, own = snapshot.known
    rounds = snapshot.choices.once(TOWER.name, partial(chosen_rounds, watched, own))
    return Near(kept, trained(watched, own, rounds))


@dataclass(frozen=True)
class Near:
    """Proposes the videos (those `kept`) with the highest scores, by how far they are above the lowest one."""

    kept: NDArray[np.int64]
    towers: Towers

    def __call__(self, chunk: Chunk) -> Iterator[Found]:
        watched = chunk.positives[:, self.kept]
        every, lengths = self.towers.scores(watched), watched.getnnz(axis=1)
        for row in range(len(chunk.moments)):
            if not lengths[row]:
                yield NOTHING
                continue
            scores = np.round((every[row] - every[row].min()).astype(float), 4)
            top = best(np.where(chunk.allowed[row, self.kept], scores, 0), TOWER.cap)
            yield Found(self.kept[top], scores[top], [None] * len(top))

    def of_videos(self) -> tuple[NDArray[np.int64], Matrix]:
        """The bias is one dimension more, in which every viewer has a 1."""
        return self.kept, np.concatenate([self.towers.shown, self.towers.bias[:, None]], axis=1)

    def of_viewers(self, chunk: Chunk) -> Matrix:
        watched = chunk.positives[:, self.kept]
        vectors = np.pad(self.towers.viewers(watched), ((0, 0), (0, 1)), constant_values=1)
        return np.where(watched.getnnz(axis=1)[:, None] > 0, vectors, np.float32(0))


def reason(because: Column, title: Column) -> Column:
    return F.lit("many who watch what you do watch it")


TOWER = Source("tower", cap=150, learn=learn, reason=reason, has_share=True)
