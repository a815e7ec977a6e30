"""Intervals by the bootstrap."""

import numpy as np
import pytest

from jobs.ranking.intervals import Bootstrap


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(5.0, 2.0, (2000, 1))
    (mean,) = Bootstrap(2000, seed=2).means(values)
    error = 1.96 * values.std() / np.sqrt(2000)
    assert mean.value == pytest.approx(values.mean())
    assert (mean.low, mean.high) == pytest.approx((mean.value - error, mean.value + error), abs=0.15 * error)


def test_a_difference_that_every_viewer_has_is_certain_however_much_viewers_differ() -> None:
    easy = np.linspace(0, 100, 50)[:, None]
    (difference,) = Bootstrap(50, seed=3).means((easy + 1) - easy)
    assert difference == pytest.approx((1, 1, 1), abs=1e-5)


def test_a_ratio_is_of_sums_and_a_draw_without_anybody_of_a_part_says_nothing() -> None:
    (share,) = Bootstrap(3, seed=4).ratios(np.array([[1.0], [0], [0]]), np.array([4.0, 0, 0]))
    assert share == (0.25, 0.25, 0.25)


def test_the_same_seed_gives_the_same_draws() -> None:
    values = np.arange(10.0)[:, None]
    assert Bootstrap(10, 5).means(values) == Bootstrap(10, 5).means(values) != Bootstrap(10, 6).means(values)
