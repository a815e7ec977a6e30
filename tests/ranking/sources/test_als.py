"""als: every row solves its normal equations, whichever way it is solved, and content says where a new video lies."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from jobs.ranking.sources.als import Matrix, Setting, Side, factorised

SETTING, DIM = Setting(7.0, 0.5), 8


def drawn(viewers: int, videos: int, chance: float) -> csr_matrix:
    """Viewers x videos at random, with a share each; nobody has watched nothing."""
    random = np.random.default_rng(5)
    watched = np.where(random.random((viewers, videos)) < chance, random.uniform(0.5, 1, (viewers, videos)), 0)
    watched[np.arange(viewers), np.arange(viewers) % videos] = 1
    return csr_matrix(watched.astype(np.float32))


def expected(side: Side, shares: Matrix, towards: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vector of one row by the definition: all pairs, each with its weight and target."""
    vectors, unobserved = side.vectors.astype(float), side.base / len(side.vectors)
    strength = side.penalty * (np.count_nonzero(shares) + side.base)
    matrix = vectors.T @ np.diag(unobserved + shares) @ vectors + strength * np.eye(vectors.shape[1])
    solution: NDArray[np.float64] = np.linalg.solve(matrix, vectors.T @ shares + strength * towards)
    return solution


def test_short_and_long_rows_solve_their_normal_equations_with_and_without_a_vector_to_go_to() -> None:
    watched = drawn(30, 20, 0.2)
    assert min(watched.getnnz(axis=1)) <= DIM // 2 < max(watched.getnnz(axis=1))
    side = factorised(watched, SETTING, DIM, 3)
    towards = np.random.default_rng(1).normal(size=(30, DIM)).astype(np.float32)
    for solved, goal in ((side.solved(watched), np.zeros_like(towards)), (side.solved(watched, towards), towards)):
        for row, vector in enumerate(solved):
            assert np.allclose(vector, expected(side, watched[row].toarray()[0], goal[row]), atol=1e-4)


def test_a_video_that_nobody_watched_lies_where_those_lie_that_are_like_it() -> None:
    cats, dogs = [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]
    watched = csr_matrix(np.array([[*cats, 0]] * 20 + [[*dogs, 0]] * 20, dtype=np.float32))
    content = np.array([[1, 0]] * 3 + [[0, 1]] * 3 + [[1, 0]], dtype=np.float32)
    new = factorised(watched, SETTING._replace(by_content=True), DIM, 6, content).vectors
    assert new[6] @ new[0] > abs(new[6] @ new[3])
    assert not factorised(watched, SETTING, DIM, 6, content).vectors[6].any()
