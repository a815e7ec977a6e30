"""Which renditions a clip gets: their sizes, names and bit rates.

Belongs here: arithmetic on sizes, no ffmpeg. Encoding them: ladder.py.
"""

from __future__ import annotations

from dataclasses import dataclass

TOP_SHORT_SIDE = 720
"""Short side of the largest rung: a phone held upright shows 720 to 1080 pixels across, and 1080 costs twice."""

STEPS = (0.5, 0.75, 1.0)
"""Rungs as shares of the top one: 360, 540 and 720 for what phones record, still three rungs for an older 480 source.
Each step holds about twice the pixels of the one below, the step at which players switch without a visible jump."""

LEAST_SHORT_SIDE = 180
"""No rung below it, except the source's own size: it saves nothing that a player could notice."""

BITS_PER_PIXEL = 0.1
"""Cap of a rung's bit rate, at up to 30 frames a second; with CRF 24 only noise and fast motion reach it."""

AUDIO_KBPS = 96
"""AAC-LC stereo. The same on every rung, so that a switch of rung never splices two encodings of one sound."""


@dataclass(frozen=True)
class Rung:
    """One rendition to make. Sides are even, as 4:2:0 needs; `name` is the short side, like "540p"."""

    name: str
    width: int
    height: int
    max_kbps: int


def even(pixels: float) -> int:
    """The nearest even number of pixels, at least 2."""
    return max(2, 2 * round(pixels / 2))


def rungs(width: int, height: int) -> list[Rung]:
    """The ladder for a clip displayed at width x height pixels, smallest first; one to three rungs.

    Never larger than the source on either side, aspect kept to within the rounding to even pixels, names distinct.
    """
    short, long = sorted((width, height))
    top = min(TOP_SHORT_SIDE, short // 2 * 2)
    sides = sorted({even(top * step) for step in STEPS})
    found = []
    for side in [s for s in sides if s >= LEAST_SHORT_SIDE or s == top]:
        other = min(even(long * side / short), long // 2 * 2)
        wide, high = (side, other) if width <= height else (other, side)
        found.append(Rung(f"{side}p", wide, high, max(100, round(BITS_PER_PIXEL * wide * high * 30 / 1000))))
    return found
