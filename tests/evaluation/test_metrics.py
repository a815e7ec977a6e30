"""The metrics, by hand."""

import numpy as np
import pytest

from jobs.evaluation.metrics import PER_VIEWER, coverage, gini, per_viewer, surprise_of

# Ann's first and third place hit, of her two; Ben's none; Cid's second and last place, of five.
HITS = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], dtype=bool)
POSITIVES = np.array([2, 1, 5])


def figures(k: int, surprise: np.ndarray | None = None) -> dict[str, list[float]]:
    table = per_viewer(HITS, POSITIVES, np.ones(HITS.shape) if surprise is None else surprise, k)
    return dict(zip(PER_VIEWER, table.T.round(6).tolist(), strict=True))


def test_the_metrics_of_three_viewers_are_those_by_hand() -> None:
    got = figures(3)
    second, third = 1 / np.log2(3), 0.5
    assert got["ndcg"] == pytest.approx([1.5 / (1 + second), 0, second / (1 + second + third)], abs=1e-6)
    assert got["recall"] == [1, 0, 0.2]
    assert got["precision"] == pytest.approx([2 / 3, 0, 1 / 3], abs=1e-6)
    assert got["map"] == pytest.approx([(1 + 2 / 3) / 2, 0, 0.5 / 3], abs=1e-6)
    assert got["mrr"] == [1, 0, 0.5]
    assert got["hit"] == [1, 0, 1]


def test_at_one_a_viewer_of_many_positives_can_still_have_it_all() -> None:
    got = figures(1)
    assert got["ndcg"] == got["precision"] == got["map"] == [1, 0, 0]
    assert got["recall"] == [0.5, 0, 0]


def test_a_list_that_ends_early_is_judged_by_the_places_it_lacks_too() -> None:
    assert figures(10)["precision"] == pytest.approx([0.2, 0, 0.1])
    assert figures(10)["recall"] == [1, 0, 0.2]


def test_novelty_is_the_mean_surprise_of_what_is_shown() -> None:
    bits = surprise_of(np.array([8, 2, 0]), viewers=8)
    assert bits.tolist() == [0, 2, 3]
    assert figures(3, np.array([bits, [1, np.nan, np.nan], [np.nan] * 3]))["novelty"] == pytest.approx([5 / 3, 1, 0])


def test_coverage_and_gini_tell_one_video_from_all() -> None:
    all_alike, one = np.full(4, 5.0), np.array([9.0, 0, 0, 0])
    assert (coverage(all_alike), gini(all_alike)) == (1, 0)
    assert (coverage(one), gini(one)) == (0.25, 0.75)
