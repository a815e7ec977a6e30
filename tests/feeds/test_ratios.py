"""Ratios over viewers: their intervals hold the truth as often as they say, and missing viewers are noticed."""

import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.feeds.ratios import Sums, difference, mismatch
from jobs.ranking.intervals import Bootstrap

Numbers = NDArray[np.float64]


def sums(above: Numbers, below: Numbers) -> Sums:
    squares = (float(one @ other) for one, other in ((above, above), (below, below), (above, below)))
    return Sums(len(above), float(above.sum()), float(below.sum()), *squares)


def viewers(chance: np.random.Generator, number: int, fondness: float) -> Sums:
    """Likes and slots of so many: some look at hundreds of slots, most at few, and whoever likes one likes others."""
    slots = chance.negative_binomial(1, 0.03, number) * (chance.random(number) < 0.7)
    each = chance.beta(2 * fondness, 2 * (1 - fondness), number)
    return sums(chance.binomial(slots, each).astype(np.float64), slots.astype(np.float64))


def test_the_interval_of_two_arms_that_are_alike_holds_0_in_95_of_100_draws() -> None:
    seeds, held, held_by_slots = 2_000, 0, 0
    for seed in range(seeds):
        chance = np.random.default_rng(seed)
        one, other = viewers(chance, 400, 0.2), viewers(chance, 600, 0.2)
        gap = difference(one, other)
        assert gap and one.ratio and other.ratio
        held += gap.low <= 0 <= gap.high
        # As if each slot had been drawn by itself.
        alone = sum(arm.ratio * (1 - arm.ratio) / arm.below for arm in (one, other) if arm.ratio)
        held_by_slots += abs(gap.value) <= 1.96 * np.sqrt(alone)
    # Three deviations of so many draws are 0.015.
    assert held / seeds == pytest.approx(0.95, abs=0.015)
    assert held_by_slots / seeds < 0.6, "slots of one viewer hang together, or this test says nothing"


def test_an_arm_that_is_worse_is_found_worse_by_the_difference_that_it_has() -> None:
    chance = np.random.default_rng(1)
    gap = difference(viewers(chance, 5_000, 0.15), viewers(chance, 5_000, 0.2))
    assert gap and gap.high < 0 and gap.low < -0.05 < gap.high


def test_the_interval_is_that_of_drawing_viewers_again() -> None:
    chance = np.random.default_rng(2)
    below = chance.integers(1, 40, 3_000).astype(np.float64)
    above = chance.binomial(below.astype(np.int64), chance.random(3_000)).astype(np.float64)
    (drawn,) = Bootstrap(len(above), 1).ratios(above[:, None], below)
    whole = sums(above, below)
    gap = difference(whole, Sums(2, 0, 1, 0, 1, 0))
    assert gap and gap.value == pytest.approx(drawn.value)
    assert gap.high - gap.low == pytest.approx(drawn.high - drawn.low, rel=0.1)


def test_where_nothing_was_shown_there_is_no_difference() -> None:
    none = sums(np.zeros(3), np.zeros(3))
    assert none.ratio is None and difference(none, sums(np.ones(3), np.ones(3))) is None


def test_shares_that_are_kept_to_are_beyond_the_limit_once_in_a_thousand_draws_and_lost_viewers_always() -> None:
    chance = np.random.default_rng(3)
    found = np.array(
        [mismatch(chance.multinomial(5_000, [0.2, 0.3, 0.5]).tolist(), [0.2, 0.3, 0.5]) for _ in range(4_000)]
    )
    assert np.mean(found > 0.95) == pytest.approx(0.05, abs=0.011) and np.mean(found > 0.999) < 0.004
    assert mismatch([900, 1_500, 2_600], [0.2, 0.3, 0.5]) > 0.999
    # Of one arm nobody is left, which is to say that it has no row.
    assert mismatch([1_500, 2_500], [0.3, 0.5]) > 0.999
    assert mismatch([0, 0], [0.5, 0.5]) == 0
