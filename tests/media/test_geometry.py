"""The ladder's arithmetic, for every size that a probe lets through."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import assume, example, given
from hypothesis import strategies as st

from jobs.media.geometry import TOP_SHORT_SIDE, rungs
from jobs.media.probe import displayed
from jobs.media.refusals import MAX_ASPECT, MIN_SHORT_SIDE

sides = st.integers(MIN_SHORT_SIDE, 8192)


@given(sides, sides)
@example(1080, 1920)
@example(65, 65)
@example(321, 1605)
def test_no_rung_is_larger_than_the_source_and_all_sides_are_even(width: int, height: int) -> None:
    assume(max(width, height) <= MAX_ASPECT * min(width, height))
    ladder = rungs(width, height)
    assert 1 <= len(ladder) <= 3
    for rung in ladder:
        assert rung.width % 2 == rung.height % 2 == 0
        assert rung.width <= width and rung.height <= height
        assert min(rung.width, rung.height) <= TOP_SHORT_SIDE
        # Half a pixel pair of rounding on either side.
        assert abs(rung.width * height - rung.height * width) <= 2 * max(width, height)


@given(sides, sides)
def test_rungs_grow_and_have_distinct_names(width: int, height: int) -> None:
    assume(max(width, height) <= MAX_ASPECT * min(width, height))
    ladder = rungs(width, height)
    assert len({rung.name for rung in ladder}) == len(ladder)
    short_sides = [min(rung.width, rung.height) for rung in ladder]
    assert short_sides == sorted(set(short_sides))
    assert [rung.max_kbps for rung in ladder] == sorted(rung.max_kbps for rung in ladder)


@given(sides, sides)
def test_a_turned_clip_gets_the_turned_ladder(width: int, height: int) -> None:
    turned = [(rung.name, rung.height, rung.width) for rung in rungs(height, width)]
    assert [(rung.name, rung.width, rung.height) for rung in rungs(width, height)] == turned


def test_a_phone_clip_gets_360_540_and_720() -> None:
    assert [(r.name, r.width, r.height) for r in rungs(1080, 1920)] == [
        ("360p", 360, 640),
        ("540p", 540, 960),
        ("720p", 720, 1280),
    ]


def test_a_clip_below_the_lowest_rung_gets_one_rung_of_its_own_size() -> None:
    assert [(r.name, r.width, r.height) for r in rungs(100, 170)] == [("100p", 100, 170)]


def test_a_quarter_turn_swaps_the_sides_and_half_a_turn_does_not() -> None:
    assert displayed(1920, 1080, Fraction(1), -90) == displayed(1920, 1080, Fraction(1), 270) == (1080, 1920)
    assert displayed(1920, 1080, Fraction(1), 180) == (1920, 1080)


def test_wide_pixels_widen_the_picture_before_it_is_turned() -> None:
    assert displayed(720, 576, Fraction(16, 15), 0) == (768, 576)
    assert displayed(720, 576, Fraction(16, 15), 90) == (576, 768)
