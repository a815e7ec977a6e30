"""Drift: none between equals, told from chance, and seen where values move, gather in one, or are no longer there."""

import numpy as np
import pytest

from jobs.ops.drift import Values, deciles, drift, shift_of_chance

NONE = np.nan
MANY = (1_000_000, 1_000_000)


def values(*said: float) -> Values:
    return np.array(said, dtype=np.float32)


TEN = values(*range(1, 11))


def psi(examples: Values, scored: Values) -> float:
    """The index where nothing is left to chance."""
    return drift(examples, scored, MANY).psi


def test_equal_distributions_have_no_drift_whatever_their_order_and_size() -> None:
    assert psi(TEN, TEN[::-1]) == 0
    assert psi(TEN, np.tile(TEN, 7)) == pytest.approx(0)


@pytest.mark.parametrize(
    "scored",
    [TEN + 3, TEN * 2, values(*[NONE] * 5, *range(1, 6)), values(*[5] * 10), values(*[NONE] * 10)],
    ids=["moved", "spread", "half of them gone", "all alike", "all gone"],
)
def test_what_moves_gathers_or_goes_is_drift(scored: Values) -> None:
    assert psi(TEN, scored) > 0.25


def test_the_index_is_the_sum_of_shifts_of_shares_times_their_logarithms() -> None:
    # Three quarters became a half, a quarter became a half.
    found = psi(values(0, 0, 0, NONE), values(0, 0, NONE, NONE))
    assert found == pytest.approx(-0.25 * np.log(2 / 3) + 0.25 * np.log(2))


def test_a_value_that_many_have_is_a_bin_for_itself_so_that_less_than_it_is_seen() -> None:
    assert psi(values(*[5] * 8, 6, 7), values(*[5] * 8, 6, 7)) == 0
    assert psi(values(*[5] * 8, 6, 7), values(*[4] * 8, 6, 7)) > 1


def test_a_tenth_in_a_bin_that_is_empty_in_few_examples_tells_less_than_in_many() -> None:
    few, many = (drift(TEN, values(*range(1, 10), NONE), (n, n)).psi for n in (100, 1_000_000))
    assert 0 < few < many / 2


def test_the_deciles_are_values_that_are_there() -> None:
    assert deciles(values(*TEN, NONE)) == list(range(1, 10))
    assert deciles(values(NONE)) == []


def test_of_equal_distributions_chance_stays_below_what_it_does_not_exceed_and_a_shift_does_not() -> None:
    chance = np.random.default_rng(3)

    def drawn(count: int, shift: float = 0) -> Values:
        return chance.normal(shift, 1, count).astype(np.float32)

    found = [drift(drawn(300), drawn(200), (300, 200)) for _ in range(200)]
    assert sum(one.psi > one.of_chance for one in found) <= 2
    assert max(one.psi for one in found) > 0.5 * found[0].of_chance
    shifted = drift(drawn(300), drawn(200, shift=1), (300, 200))
    assert shifted.psi - shifted.of_chance > 0.25


def test_two_shares_of_few_are_further_apart_by_chance_than_those_of_many() -> None:
    assert shift_of_chance((0.5, 0.5), (10, 10)) > 0.6 > 0.03 > shift_of_chance((0.5, 0.5), (10_000, 10_000))
    assert shift_of_chance((0, 0), (10, 10)) == 0
