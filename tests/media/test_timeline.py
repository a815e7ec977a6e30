"""What times say: rates without doubles, lengths without jumps, and losses that a held picture is not."""

from __future__ import annotations

from fractions import Fraction

import pytest

from jobs.media.timeline import frame_rate, hole, lost, span, straight

HALF_RATE = [0.0, 0.5, 1.0, 1.5]


@pytest.mark.parametrize(
    ("starts", "stated", "rate"),
    [
        ([0.0, 0.033, 0.067, 0.1, 0.133], [Fraction(60), Fraction(30)], Fraction(30)),
        ([0.0, 0.033, 0.067, 0.1, 0.133], [Fraction(30000, 1001)], Fraction(30000, 1001)),
        ([0.0, 0.08, 0.16, 0.24, 5.0, 5.08], [Fraction(25, 2)], Fraction(25, 2)),
        ([0.0], [Fraction(90000)], Fraction(30)),
    ],
)
def test_the_frame_rate_is_that_of_the_times(starts: list[float], stated: list[Fraction], rate: Fraction) -> None:
    assert frame_rate(starts, stated) == rate


def test_a_clock_that_may_jump_goes_on_at_its_usual_step() -> None:
    assert straight([0.0, 0.5, 7200.0, 7200.5], may_jump=True) == pytest.approx(HALF_RATE)
    assert straight([60.0, 60.5, 0.0, 0.5], may_jump=True) == pytest.approx([60.0, 60.5, 61.0, 61.5])
    assert straight([0.0, 0.5, 60.0, 60.5], may_jump=False) == [0.0, 0.5, 60.0, 60.5]


def test_a_last_frame_that_is_held_counts() -> None:
    assert span(HALF_RATE, [0.5, 0.5, 0.5, 3.0]) == (0.0, 4.5)
    assert span(HALF_RATE, [0.0, 0.0, 0.0, 0.0]) == (0.0, 2.0)


def test_a_packet_is_lost_when_it_is_refused_or_its_frame_is_broken_or_missing() -> None:
    packets = [(start, start != 0.5, start == 0) for start in HALF_RATE]
    assert lost(packets, [(0.0, True), (1.0, False), (1.5, True)]) == 2
    good = [(start, True, False) for start in (0.0, 0.5, 1.0, 1.5, 2.0)]
    assert lost(good, [(0.0, True), (2.0, True)]) == 2


def test_a_lost_keyframe_takes_what_is_drawn_on_it_along() -> None:
    packets = [(start, start != 0.5, start in (0.5, 1.5)) for start in HALF_RATE]
    assert lost(packets, [(start, True) for start in HALF_RATE]) == 2


def test_the_second_field_of_a_picture_is_not_lost() -> None:
    fields = [(0.02 * place, True, place == 0) for place in range(8)]
    assert lost(fields, [(start, True) for start, _, _ in fields[::2]]) == 0


def test_what_the_file_goes_on_without_is_a_hole_and_a_picture_held_is_none() -> None:
    track = {"seconds": 10, "packets": 60, "weight": 60_000}
    assert hole([(4.0, 40_000)], **track) == 4.0
    assert hole([(4.0, 30)], **track) == 0.0


def test_padding_between_packets_at_their_usual_step_is_no_hole() -> None:
    assert hole([(1.0, 3_200)] * 10, seconds=10.0, packets=10, weight=1_000) == 0.0
