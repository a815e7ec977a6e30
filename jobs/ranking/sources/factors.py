"""factors: viewers and videos as vectors whose products say who watches what, from what was watched and what was not.

Belongs here: the alternating solves, and what is proposed from them.

Implicit ALS (Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008) as tuned by
Rendle, Krichene, Zhang and Koren, "Revisiting the performance of iALS on item recommendation benchmarks", RecSys 2022:
every pair has the target 0 with a small weight, a watched one the target 1 with its share besides, and a vector is
regularised by the weight of its pairs. A viewer's vector is solved from what they watched before the moment, so it is
never older than that, and never newer. How much a watched video says for a proposal is exact (section 5 of the first
paper).

One solve of a vector takes DIM^2 multiplications per pair and DIM^3 / 3 more, some 50 microseconds. 10^6 watches of
10^5 viewers and 10^4 videos: 6 s of one core a round, and 28 MB; of what was learned 3 MB are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.sources.similar import NOTHING, because_watched, best, nothing
from jobs.ranking.sources.snapshot import Chunk, Snapshot
from jobs.ranking.sources.source import Found, Propose, Source

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Matrix = NDArray[np.float32]

DIM, ROUNDS, SEED = 64, 5, 7
# All that a viewer did not watch weighs UNOBSERVED times what a mean viewer watched, and a pair at most DENSE. A vector
# is regularised by REGULAR / the mean length of a history times the weight of its pairs. Of two sets whose histories
# are 14 and 97 long, these give the best constants of each (docs/decisions/0014). At most STRONGEST, or all vectors
# shrink to nothing where histories are very short.
UNOBSERVED, DENSE, REGULAR, STRONGEST = 7.0, 0.3, 0.875, 0.12
# The vectors of videos before the first round are that long.
START = 0.1


class Side(NamedTuple):
    """What the vectors of one side are solved from.

    The `vectors` of the other side; their Gram matrix by the weight of what was not watched; and the regularisation: by
    the pairs that a row has, and `base` for those that it has not.
    """

    vectors: Matrix
    gram: Matrix
    penalty: float
    base: float

    def normal(self, videos: NDArray[np.int32], shares: Matrix) -> tuple[Matrix, Matrix]:
        """The matrix of the normal equations of one row, and the vectors of its pairs, one column each by its share."""
        pairs = self.vectors[videos].T
        weighed: Matrix = pairs * shares
        matrix: Matrix = self.gram + weighed @ pairs.T
        matrix.flat[:: len(matrix) + 1] += self.penalty * (len(videos) + self.base)
        return matrix, weighed


def learn(snapshot: Snapshot) -> Propose:
    positives = snapshot.positives
    if not positives.nnz:
        return nothing
    kept = np.flatnonzero(positives.getnnz(axis=0))
    watched = positives[:, kept][positives.getnnz(axis=1) > 0]
    return partial(propose_near, snapshot.world.videos, kept, factorised(watched))


def factorised(watched: csr_matrix) -> Side:
    """What viewers are solved from, of viewers x videos without an empty row or column."""
    viewers, videos = watched.shape
    mean = watched.nnz / viewers
    unobserved = min(UNOBSERVED * mean / videos, DENSE)
    penalty = min(REGULAR / mean, STRONGEST)

    def side(vectors: Matrix) -> Side:
        gram = np.asarray(unobserved * (vectors.T @ vectors), dtype=np.float32)
        return Side(vectors, gram, penalty, unobserved * len(vectors))

    transposed = watched.T.tocsr()
    drawn = np.random.default_rng(SEED).normal(scale=START / np.sqrt(DIM), size=(videos, DIM))
    of_videos = side(drawn.astype(np.float32))
    for _ in range(ROUNDS):
        of_viewers = side(_solved(watched, of_videos))
        of_videos = side(_solved(transposed, of_viewers))
    return of_videos


def _solved(pairs: csr_matrix, side: Side) -> Matrix:
    """The vector of each row."""
    from scipy.linalg.lapack import sposv

    vectors = np.empty((pairs.shape[0], DIM), dtype=np.float32)
    for row in range(pairs.shape[0]):
        own = slice(pairs.indptr[row], pairs.indptr[row + 1])
        matrix, weighed = side.normal(pairs.indices[own], pairs.data[own])
        _, vectors[row], _ = sposv(matrix, weighed.sum(axis=1), overwrite_a=1, overwrite_b=1)
    return vectors


def propose_near(videos: NDArray[np.object_], kept: NDArray[np.int64], side: Side, chunk: Chunk) -> Iterator[Found]:
    """The videos whose vectors have the largest products with the viewer's; the reason is the largest part of it."""
    from scipy.linalg.lapack import sposv

    watched = chunk.positives[:, kept]
    for row in range(len(chunk.moments)):
        own = slice(watched.indptr[row], watched.indptr[row + 1])
        if own.start == own.stop:
            yield NOTHING
            continue
        # What each watched video adds to the viewer's vector, a column each.
        _, parts, _ = sposv(*side.normal(watched.indices[own], watched.data[own]))
        scores = np.round((side.vectors @ parts.sum(axis=1)).astype(float), 6)
        top = best(np.where(chunk.allowed[row, kept], scores, 0), FACTORS.cap)
        most = np.argmax(np.round(side.vectors[top] @ parts, 9), axis=1)
        because: list[str | None] = [str(videos[video]) for video in kept[watched.indices[own][most]]]
        yield Found(kept[top], scores[top], because)


# The more a viewer watched, the nearer to 1 are the best ones, so the ranker is given shares too.
FACTORS = Source("factors", cap=150, learn=learn, reason=because_watched, has_share=True)
