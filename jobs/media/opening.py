"""Where a player begins with a clip: the rendition whose first frame is there at once.

Belongs here: the choice among renditions. What they weigh: hls.py. What clients are told of it: cards.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobs.media.hls import Variant

START_BYTES = 125_000
"""What 5 Mbit/s bring in 0.2 s, after which a person notices that they wait."""


def opening(variants: Sequence[Variant]) -> Variant | None:
    """The largest of a ladder's variants, smallest first, whose first second weighs at most START_BYTES.

    The smallest where none is so light; None of a ladder that was measured before first seconds were weighed.
    """
    weighed = [(variant, variant.first_bytes[0]) for variant in variants if variant.first_bytes]
    light = [variant for variant, first_second in weighed if first_second <= START_BYTES]
    return light[-1] if light else next((variant for variant, _ in weighed), None)
