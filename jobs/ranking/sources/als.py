"""Alternating least squares: vectors of viewers and of videos, each side solved from the other one.

Belongs here: the normal equations and their solves, and what a setting is. Which setting a data set gets, and what is
proposed: factors.py.

Every pair of a viewer and a video has the target 0 with a small weight, a watched one the target 1 with its share
besides, and a vector is regularised by the weight of its pairs (references: factors.py). Vectors of videos may be drawn
towards what their content says instead of towards 0: towards the ridge regression of all vectors on World.content, so
that a video with few viewers, or none, is where those lie that are like it.

Rows that have equally many pairs, fewer than half the dimensions, are solved together by the Woodbury identity: pairs *
DIM^2 multiplications in all and no factorisation of DIM x DIM for each row, so 10^5 pairs take 0.2 s a round. Longer
rows are solved one by one, DIM^2 multiplications per pair and DIM^3 / 3 more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Matrix = NDArray[np.float32]

SEED = 7
# The vectors of videos before the first round are that long.
START = 0.1
# What a viewer has not watched weighs at most that much.
DENSE = 0.3
# The regression on content: its penalty, the viewers at which a video's vector counts half, and the rounds before it.
RIDGE, HALF, FIRST = 10.0, 5.0, 2
# Numbers of a group of rows that lie side by side.
ROOM = 8_000_000


class Setting(NamedTuple):
    """All that a viewer did not watch weighs `unobserved` times what a mean viewer watched.

    A vector is regularised by `regular` / the mean length of a history times the weight of its pairs.
    """

    unobserved: float
    regular: float
    by_content: bool = False


@dataclass(frozen=True)
class Side:
    """What the vectors of one side are solved from.

    The `vectors` of the other side; their Gram matrix by the weight of what was not watched; and the regularisation: by
    the pairs that a row has, and `base` for those that it has not. Who asks for a few rows at a time finds the
    `inverses` of before, by the pairs of a row.
    """

    vectors: Matrix
    gram: Matrix
    penalty: float
    base: float
    inverses: dict[int, Matrix] = field(default_factory=dict, repr=False, compare=False)

    def normal(self, videos: NDArray[np.int32], shares: Matrix) -> tuple[Matrix, Matrix]:
        """The matrix of the normal equations of one row, and the vectors of its pairs, one column each by its share."""
        pairs = self.vectors[videos].T
        weighed: Matrix = pairs * shares
        matrix: Matrix = self.plain(len(videos)) + weighed @ pairs.T
        return matrix, weighed

    def plain(self, pairs: int) -> Matrix:
        """What the matrix of all rows with so many pairs begins with."""
        matrix = self.gram.copy()
        matrix.flat[:: len(matrix) + 1] += self.penalty * (pairs + self.base)
        return matrix

    def solved(self, pairs: csr_matrix, towards: Matrix | None = None) -> Matrix:
        """The vector of each row, drawn `towards` the row's vector there, or to 0."""
        vectors = np.zeros((pairs.shape[0], self.vectors.shape[1]), dtype=np.float32)
        lengths = pairs.getnnz(axis=1)
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            if length > len(self.gram) // 2:
                self._one_by_one(pairs, rows, vectors, towards)
                continue
            inverse = self.inverses.get(length)
            if inverse is None:
                inverse = np.linalg.inv(self.plain(length).astype(np.float64)).astype(np.float32)
                self.inverses[length] = inverse
            if towards is not None:
                vectors[rows] = self.penalty * (length + self.base) * towards[rows] @ inverse
            if length:
                self._together(pairs, rows, vectors, inverse)
        return vectors

    def _together(self, pairs: csr_matrix, rows: NDArray[np.int64], vectors: Matrix, inverse: Matrix) -> None:
        """Add to the vectors of these rows, all of one length, what their pairs say: the Woodbury identity."""
        length = int(pairs.indptr[rows[0] + 1] - pairs.indptr[rows[0]])
        diagonal = np.arange(length)
        for first in range(0, len(rows), step := max(1, ROOM // (length * len(inverse)))):
            some = rows[first : first + step]
            cells = pairs.indptr[some][:, None] + diagonal
            shares, others = pairs.data[cells], self.vectors[pairs.indices[cells]]
            through = others @ inverse
            small = np.matmul(through, others.transpose(0, 2, 1)) * shares[:, None, :]
            small[:, diagonal, diagonal] += 1
            missing = 1 - np.matmul(others, vectors[some][:, :, None])
            weight = np.linalg.solve(small, missing)[:, :, 0] * shares
            vectors[some] += np.matmul(weight[:, None, :], through)[:, 0]

    def _one_by_one(self, pairs: csr_matrix, rows: NDArray[np.int64], vectors: Matrix, towards: Matrix | None) -> None:
        """Solve these rows, all of one length, each from its own normal equations, which are made together."""
        from scipy.linalg.lapack import sposv

        length = int(pairs.indptr[rows[0] + 1] - pairs.indptr[rows[0]])
        plain, diagonal = self.plain(length), np.arange(length)
        for first in range(0, len(rows), step := max(1, ROOM // (max(length, len(plain)) * len(plain)))):
            some = rows[first : first + step]
            cells = pairs.indptr[some][:, None] + diagonal
            others = self.vectors[pairs.indices[cells]]
            weighed = others * pairs.data[cells][:, :, None]
            matrices = plain + np.matmul(weighed.transpose(0, 2, 1), others)
            wanted = weighed.sum(axis=1)
            if towards is not None:
                wanted += self.penalty * (length + self.base) * towards[some]
            for row, matrix, side in zip(some, matrices, wanted, strict=True):
                _, vectors[row], _ = sposv(matrix, side, overwrite_a=1, overwrite_b=1)


def factorised(
    watched: csr_matrix, setting: Setting, dimensions: int, rounds: int, content: Matrix | None = None
) -> Side:
    """What viewers are solved from, of viewers x videos without an empty row; `content` has a row per video."""
    viewers, videos = watched.shape
    transposed = watched.T.tocsr()
    audience = transposed.getnnz(axis=1)
    mean, seen = watched.nnz / viewers, np.count_nonzero(audience)
    unobserved = min(setting.unobserved * mean / seen, DENSE)

    def side(vectors: Matrix) -> Side:
        gram = np.asarray(unobserved * (vectors.T @ vectors), dtype=np.float32)
        return Side(vectors, gram, setting.regular / mean, unobserved * len(vectors))

    drawn = np.random.default_rng(SEED).normal(scale=START / np.sqrt(dimensions), size=(videos, dimensions))
    vectors = (drawn * (audience > 0)[:, None]).astype(np.float32)
    regression = None if content is None or not setting.by_content else _Regression(content, audience)
    for number in range(rounds):
        of_viewers = side(side(vectors).solved(watched))
        by_content = regression is not None and number >= FIRST
        vectors = of_viewers.solved(transposed, regression(vectors) if by_content and regression else None)
    return side(vectors)


class _Regression:
    """From the vectors of videos to those that their content lets expect; the better known ones weigh more."""

    def __init__(self, content: Matrix, audience: NDArray[np.int64]) -> None:
        self.content = np.hstack([content, np.ones((len(content), 1), dtype=np.float32)])
        weighed = self.content * (audience / (audience + HALF)).astype(np.float32)[:, None]
        matrix = (weighed.T @ self.content).astype(np.float64)
        matrix.flat[:: len(matrix) + 1] += RIDGE
        self.inverse = np.linalg.inv(matrix).astype(np.float32)
        self.weighed = weighed.T

    def __call__(self, vectors: Matrix) -> Matrix:
        expected: Matrix = self.content @ (self.inverse @ (self.weighed @ vectors))
        return expected
