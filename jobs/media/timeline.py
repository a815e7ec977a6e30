"""What plays of a track: from when to when, at which frame rate, and how much of it is lost.

Belongs here: arithmetic on the times of packets and frames, in seconds; no libav. Reading them: probe_child.py. What
follows from them: probe.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from statistics import median

JUMP_SECONDS = 10.0
"""A step beyond it is a jump of the clock where a clock may jump: ffmpeg's dts_delta_threshold."""

BACK_SECONDS = 0.1
"""So is a step back by more than this."""

STILL_RATE = Fraction(30)
"""Frame rate of a picture that does not move; players stall on tracks of a frame or two a second."""

USUAL_RATES = tuple(Fraction(rate) for rate in (5, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)) + tuple(
    Fraction(rate * 1000, 1001) for rate in (24, 30, 60, 120)
)

HOLE = 3.0
"""A step of more than so many mean ones is a hole, in which the picture is held."""

NEAR = 0.01
"""Times in whole milliseconds say a rate to within a percent; 30 and 29.97 a second differ by a thousandth."""


def straight(starts: Sequence[float], may_jump: bool) -> list[float]:
    """The starts in order on a clock that does not jump: after a jump the track goes on at its usual step."""
    usual = step(starts)
    shift, made = 0.0, list(starts[:1])
    for before, start in pairwise(starts):
        gone = start - before
        if may_jump and (gone > JUMP_SECONDS or gone < -BACK_SECONDS):
            shift += usual - gone
        made.append(start + shift)
    return made


def step(starts: Sequence[float]) -> float:
    """The median distance from one start to the next; 0 for fewer than two."""
    steps = [after - before for before, after in pairwise(starts) if after > before]
    return median(steps) if steps else 0.0


def span(starts: Sequence[float], lengths: Sequence[float]) -> tuple[float, float]:
    """From the first start to the end of the last frame, which has the usual length where none is stated."""
    last = max(range(len(starts)), key=lambda place: starts[place])
    return min(starts), starts[last] + (lengths[last] if lengths[last] > 0 else step(starts))


def frame_rate(starts: Sequence[float], stated: Sequence[Fraction]) -> Fraction:
    """Frames per second as the times say, spelled as the header (`stated`) or the usual rates do where that fits.

    As many frames as there are, where the picture moves: a header's guess is the rate of the finest clock, and doubles
    the frames of a phone's variable rate. Where most steps are alike, the others are frames that were left out; where
    they are not, their mean counts, without the holes.
    """
    ordered = sorted(starts)
    steps = [after - before for before, after in pairwise(ordered) if after > before]
    if not steps:
        return STILL_RATE
    usual, mean = median(steps), sum(steps) / len(steps)
    alike = [one for one in steps if 0.5 * usual <= one <= 1.5 * usual]
    moving = alike if len(alike) > 0.6 * len(steps) else [one for one in steps if one <= HOLE * mean]
    measured = len(moving) / sum(moving)
    for rates in ([rate for rate in stated if rate in USUAL_RATES], USUAL_RATES, stated):
        near = [rate for rate in rates if abs(float(rate) / measured - 1) < NEAR]
        if near:
            return min(near, key=lambda rate: abs(float(rate) - measured))
    return Fraction(measured).limit_denominator(1000)


def lost(packets: Sequence[tuple[float, bool, bool]], frames: Sequence[tuple[float, bool]]) -> int:
    """How many packets (start, is good, is key) came to no whole frame (start, is whole).

    A packet is lost when the decoder refused it, when its frame is damaged, and when no frame starts at it or just
    before it. Just before, because the second field of a picture is a packet of its own. What precedes the first frame
    and was not refused is a decoder's run-in. With a keyframe all is lost that is drawn on it, up to the next one.
    """
    near = 1.25 * step(sorted({start for start, _, _ in packets}))
    made = sorted(start for start, _ in frames)
    broken = {start for start, is_whole in frames if not is_whole}
    count, is_ground_lost = 0, False
    for start, is_good, is_key in sorted(packets):
        place = bisect_right(made, start + near / 10)
        is_there = place == 0 or start - made[place - 1] <= near
        is_lost = not (is_good and is_there) or start in broken
        if is_key:
            is_ground_lost = is_lost
        count += is_lost or is_ground_lost
    return count


def hole(gaps: Sequence[tuple[float, int]], seconds: float, packets: int, weight: int) -> float:
    """Seconds of gaps (seconds, bytes of the file that belong to no packet) that are damage, not a picture held.

    Where packets were overwritten, the file goes on while the packets stop: at least half of what the track, of
    `weight` bytes and so many packets in `seconds`, would have held. Padding between usual steps is not a hole.
    """
    rate, usual = weight / max(seconds, 0.1), seconds / max(packets, 1)
    return sum(gap for gap, skipped in gaps if gap > HOLE * usual and skipped > 0.5 * gap * rate)
