"""neighbours: what the viewers watched whose histories are most like this one's.

Belongs here: how alike two viewers are, and what the nearest propose.

The cosine of two histories, whose videos weigh less the more viewers they have, and which is shrunk where it rests on
little. Besides, all viewers are a little alike, or short histories could be ranked worse than by popularity: by at most
EVERYBODY over the squared mean length of a history; which PART of that is best is found on videos kept back.

A viewer is compared with all those who watched one of the same videos, ROOM pairs of viewers at a time: 10^6 watches of
10^4 viewers and 10^4 videos take 10^4 multiplications for each of a viewer's 100 videos, a millisecond, and 100 MB.
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

from jobs.ranking.sources.kept_back import keep_back
from jobs.ranking.sources.similar import NOTHING, best, largest, nothing
from jobs.ranking.sources.snapshot import Chunk, Snapshot
from jobs.ranking.sources.source import Found, Propose, Source

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# These were chosen on validation pairs: docs/decisions/0014.
NEAREST, SHRINK, DAMPING, LENGTH, EVERYBODY = 100, 5.0, 0.2, 0.5, 2.0
PARTS = (1.0, 0.1, 0.01, 0.001)
# Pairs of viewers that are compared at once, 4 bytes each.
ROOM = 25_000_000


@dataclass(frozen=True)
class Viewers:
    """Everybody's histories, as they are compared and as they are proposed from, in the order of `ids`.

    `damped`: by the power of the audience that a video weighs. `compared`: videos x viewers, `norms` the lengths of its
    columns. `proposed`: viewers x videos. `everybody`: what all viewers together add.
    """

    ids: NDArray[np.object_]
    damped: NDArray[np.float32]
    compared: csr_matrix
    norms: NDArray[np.float32]
    proposed: csr_matrix
    everybody: NDArray[np.float32]

    def propose(self, chunk: Chunk) -> Iterator[Found]:
        rows = max(1, ROOM // max(len(self.norms), 1))
        for first in range(0, len(chunk.moments), rows):
            yield from self._propose(chunk, slice(first, min(first + rows, len(chunk.moments))))

    def _propose(self, chunk: Chunk, rows: slice) -> Iterator[Found]:
        from scipy.sparse import diags

        viewers = self.numbers(chunk.world.viewers[[moment.viewer for moment in chunk.moments[rows]]])
        asked = (chunk.positives[rows] @ diags(self.damped)).tocsr()
        near = self.nearest(asked, viewers)
        every = (near @ self.proposed).toarray()
        for row, allowed in enumerate(chunk.allowed[rows]):
            if not asked[row].nnz:
                yield NOTHING
                continue
            scores = np.round(np.where(allowed, every[row] + self.everybody, 0).astype(float), 6)
            top = best(scores, NEIGHBOURS.cap)
            yield Found(top, scores[top], [None] * len(top))

    def numbers(self, ids: NDArray[np.object_]) -> NDArray[np.int64]:
        """Which of the viewers these are; -1 for who is not among them."""
        places = np.searchsorted(self.ids, ids).clip(max=len(self.ids) - 1)
        return np.where(self.ids[places] == ids, places, -1)

    def nearest(self, asked: csr_matrix, viewers: NDArray[np.int64]) -> csr_matrix:
        """asked x viewers: how alike those are who are most alike, other than each asked viewer (-1: none of them)."""
        alike = asked @ self.compared
        norms = np.sqrt(np.asarray(asked.multiply(asked).sum(axis=1)).ravel())
        alike.data /= np.repeat(norms, np.diff(alike.indptr)) * self.norms[alike.indices] + np.float32(SHRINK)
        return largest(alike, viewers, NEAREST)


def learn(snapshot: Snapshot) -> Propose:
    positives = snapshot.positives
    if not positives.nnz:
        return nothing
    most = EVERYBODY / snapshot.mean_length**2
    part = snapshot.choices.once(NEIGHBOURS.name, partial(_best_part, positives, most))
    return _viewers(snapshot.world.viewers, positives, part * most).propose


def _best_part(positives: csr_matrix, most: float) -> float:
    """The part of the likeness of all viewers with which the videos kept back rank best; all where too few are."""
    from scipy.sparse import diags

    kept_back = keep_back(positives)
    if kept_back is None:
        return 1.0
    everyone = _viewers(np.arange(kept_back.rest.shape[0], dtype=object), kept_back.rest, most)
    asked = (kept_back.rest @ diags(everyone.damped)).tocsr()

    def scores(viewers: NDArray[np.int64]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = (everyone.nearest(asked[viewers], viewers) @ everyone.proposed).toarray()
        return found

    return kept_back.best_part(scores, everyone.everybody, PARTS)


def _viewers(ids: NDArray[np.object_], positives: csr_matrix, alike: float) -> Viewers:
    """What is compared and proposed, where all viewers are `alike` by that besides."""
    from scipy.sparse import diags

    damped = (np.maximum(positives.getnnz(axis=0), 1) ** -DAMPING).astype(np.float32)
    compared = (positives @ diags(damped)).tocsr()
    norms = np.sqrt(np.asarray(compared.multiply(compared).sum(axis=1)).ravel())
    lengths = positives.getnnz(axis=1)
    proposed = (diags((np.maximum(lengths, 1) ** -LENGTH).astype(np.float32)) @ positives).tocsr()
    everybody = np.asarray(proposed.sum(axis=0), dtype=np.float32).ravel() * np.float32(alike)
    return Viewers(ids, damped, compared.T.tocsr(), norms, proposed, everybody)


def reason(because: Column, title: Column) -> Column:
    return F.lit("people who watch what you do watched it")


# The more others are like a viewer, the higher are the scores, so the ranker is given shares too.
NEIGHBOURS = Source("neighbours", cap=150, learn=learn, reason=reason, has_share=True)
