"""The measure of the gate, by hand and by its bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.ranking.metrics import ndcg

ELSEWHERE = np.inf


def test_ndcg_of_two_lists_by_hand() -> None:
    labels, positions, lists = np.array([0, 2, 1, 0]), np.array([0.0, 1, 2, 0]), np.array([0, 0, 0, 1])
    first = (2 / np.log2(3) + 1 / np.log2(4)) / (2 + 1 / np.log2(3))
    assert ndcg(labels, positions, lists) == pytest.approx([first, 0.0])


def test_what_stands_in_no_place_is_missed_however_short_the_list() -> None:
    assert ndcg(np.array([1, 0]), np.array([ELSEWHERE, 0]), np.zeros(2, dtype=np.int64)) == [0.0]
    half = ndcg(np.array([3, 3, 0]), np.array([0, ELSEWHERE, 1]), np.zeros(3, dtype=np.int64))
    assert half == pytest.approx([1 / (1 + 1 / np.log2(3))])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_the_best_list_has_ndcg_one_and_no_list_more(labels: list[int]) -> None:
    gains, one_list = np.array(labels), np.zeros(len(labels), dtype=np.int64)
    best = np.argsort(np.argsort(-gains, kind="stable"), kind="stable").astype(float)
    assert ndcg(gains, best, one_list) == pytest.approx([1.0 if max(labels) else 0.0])
    assert ndcg(gains, best[::-1].copy(), one_list)[0] <= 1.0 + 1e-12
