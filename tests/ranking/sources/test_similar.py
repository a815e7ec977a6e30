"""Lists of similar videos: quick ways to the best, beside the plain way of sorting everything."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from jobs.ranking.sources.similar import best, largest, shortened, strongest

# Few different values, so that many tie and many are 0.
SEEDS, VALUES = st.integers(0, 10_000), st.integers(2, 50)


def square(seed: int, values: int, size: int = 30) -> NDArray[np.float32]:
    return np.random.default_rng(seed).integers(0, values, (size, size)).astype(np.float32)


@given(SEEDS, VALUES, st.integers(1, 400), st.integers(1, 9))
def test_the_best_are_those_of_a_full_sort(seed: int, values: int, size: int, cap: int) -> None:
    scores = np.random.default_rng(seed).integers(-2, values, size).astype(float)
    order = np.lexsort((np.arange(size), -scores))
    assert best(scores, cap).tolist() == [place for place in order if scores[place] > 0][:cap]


@given(SEEDS, VALUES, st.integers(1, 40))
def test_a_sparse_row_is_cut_as_a_dense_one_is(seed: int, values: int, longest: int) -> None:
    matrix = square(seed, values)
    dense = shortened([matrix[:20].copy(), matrix[20:].copy()], len(matrix), longest)
    shuffled = csr_matrix(matrix)[:, ::-1][:, ::-1]
    sparse = largest(shuffled, np.arange(len(matrix)), longest)
    assert (dense.indptr.tolist(), dense.indices.tolist(), dense.data.tolist()) == (
        sparse.indptr.tolist(), sparse.indices.tolist(), sparse.data.tolist()
    )  # fmt: skip


@given(SEEDS, VALUES, st.integers(1, 40))
def test_the_strongest_are_so_many_and_ties_go_by_column(seed: int, values: int, longest: int) -> None:
    matrix = square(seed, values)
    found = strongest(csr_matrix(matrix), longest)
    for row, own in enumerate(matrix):
        order = np.lexsort((np.arange(len(own)), -own))
        assert sorted(place for place in order[:longest] if own[place] > 0) == found[row].indices.tolist()
