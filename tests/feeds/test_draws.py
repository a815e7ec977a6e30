"""Slots that chance fills: which, with what, by which chance, and what they leave as it was."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jobs.feeds.draws import Explored, explored
from jobs.ranking.spacing import SLOTS

DAY = date(2024, 3, 9)


def of(sizes: list[int], share: float, names: list[str] | None = None, day: date = DAY) -> Explored:
    """What becomes of viewers with so many candidates each, whose feeds have the candidates in their order."""
    viewers = pa.array(names or [f"u{n}" for n in range(len(sizes))], pa.string())
    viewer = np.repeat(np.arange(len(sizes)), sizes)
    return explored(viewers, viewer, ordered(sizes), day, share)


def ordered(sizes: list[int]) -> NDArray[np.int64]:
    return np.concatenate([np.arange(size) for size in sizes]) if sizes else np.empty(0, dtype=np.int64)


@given(sizes=st.lists(st.integers(1, 120), max_size=6), share=st.floats(0, 1))
def test_a_feed_keeps_its_candidates_each_once_and_only_drawn_slots_move_any(sizes: list[int], share: float) -> None:
    found, before, begin = of(sizes, share), ordered(sizes), 0
    for size in sizes:
        rows = slice(begin, begin + size)
        position, propensity = found.position[rows], found.propensity[rows]
        assert sorted(position) == list(range(size))
        is_drawn = ~np.isnan(propensity)
        assert (position[is_drawn] < SLOTS).all()
        np.testing.assert_array_equal(propensity[is_drawn], 1 / size)
        # Each draw moves its video and the one that was in the way.
        assert (position != before[rows]).sum() <= 2 * is_drawn.sum()
        begin += size


def test_without_exploration_nothing_moves_and_with_all_of_it_every_slot_is_drawn() -> None:
    none, every = of([60, 3], 0), of([60, 3], 1)
    assert (none.position == ordered([60, 3])).all() and np.isnan(none.propensity).all()
    assert (~np.isnan(every.propensity)).sum() == SLOTS + 3
    assert (np.isnan(every.propensity) == (every.position >= SLOTS)).all()


@given(share=st.floats(0, 1), others=st.lists(st.integers(1, 90), max_size=4))
def test_a_draw_does_not_hang_on_who_else_there_is(share: float, others: list[int]) -> None:
    alone = of([70], share, ["me"])
    among = of([*others, 70], share, [*(f"u{n}" for n in range(len(others))), "me"])
    mine = slice(sum(others), None)
    np.testing.assert_array_equal(alone.position, among.position[mine])
    np.testing.assert_array_equal(alone.propensity, among.propensity[mine])


@pytest.mark.parametrize("share", [0.05, 0.7])
def test_each_slot_is_drawn_as_often_as_said_and_gets_each_candidate_as_often_as_any_other(share: float) -> None:
    """With many drawn slots in a feed too: that one draw spoils no other is what this is about."""
    viewers, size, slots = 40_000, 8, 5
    found = of([size] * viewers, share)
    position, propensity = (values.reshape(viewers, size) for values in found)
    # Those in the first slots of each feed, and whether chance brought them.
    counts = np.zeros((slots, size))
    for slot in range(slots):
        viewer, video = np.nonzero((position == slot) & ~np.isnan(propensity))
        assert len(viewer) == pytest.approx(viewers * share, abs=5 * np.sqrt(viewers * share * (1 - share)))
        counts[slot] = np.bincount(video, minlength=size)
    expected = counts.sum(axis=1, keepdims=True) / size
    # 35 degrees of freedom: chi squared is above 75 once in ten thousand times.
    assert ((counts - expected) ** 2 / expected).sum() < 75


def test_another_day_draws_other_slots() -> None:
    sizes = [60] * 2_000
    one, other = of(sizes, 0.01), of(sizes, 0.01, day=date(2024, 3, 10))
    both = (~np.isnan(one.propensity) & ~np.isnan(other.propensity)).sum()
    assert (~np.isnan(one.propensity)).sum() > 800 and both < 30
