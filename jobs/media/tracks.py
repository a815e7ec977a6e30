"""Which picture and which sound of a file are its own: from what the headers state to the tracks that are published.

Belongs here: the choice, and the reasons for which there is nothing to choose. What the tracks hold: timeline.py and
probe.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from jobs.media.refusals import MAX_PIXELS, Reason, Refused

LOCKED_TAGS = ("encv", "enca", "drmi", "drms")
"""Sample entries of encrypted tracks in MP4 (ISO/IEC 23001-7, and Apple's own)."""

STILL_BRANDS = ("avif", "heic", "heix", "heim", "heis", "mif1", "mif2", "jpeg")
"""Major brands of photographs in MP4's clothes (ISO/IEC 23008-12); sequences of pictures have others."""


@dataclass(frozen=True)
class Track:
    """One stream as its header states it, and what its packets add up to (probe_child.Walk). Seconds and bytes."""

    index: int
    type: str
    codec: str | None
    """None for a format unknown to libav."""
    tag: str
    width: int
    height: int
    is_default: bool
    is_extra: bool
    """A commentary, or a description for the blind."""
    is_cover: bool
    """A cover or a thumbnail."""
    is_locked: bool
    claimed: float
    rates: tuple[Fraction, ...]
    low: float | None
    high: float | None
    end: float | None
    packets: int
    bytes: int
    encrypted: int
    gaps: tuple[tuple[float, int], ...]

    @property
    def seconds(self) -> float:
        return 0.0 if self.low is None or self.high is None else self.high - self.low

    @property
    def is_encrypted(self) -> bool:
        return self.is_locked or self.tag in LOCKED_TAGS or self.encrypted > 0


def track(stated: Mapping[str, Any]) -> Track:
    """One stream of what probe_child.py printed."""
    rates = tuple(Fraction(*rate) for rate in stated["rates"])
    return Track(**{**stated, "rates": rates, "gaps": tuple((gap, skipped) for gap, skipped in stated["gaps"])})


def choose(container: str, brand: str, streams: list[Track]) -> tuple[Track, list[Track]]:
    """The picture, and the sounds in the order in which they are tried. Raises Refused.

    What moves before what does not, what is flagged default before what is not, the largest picture first, the first
    sound first.
    """
    if not streams:
        raise Refused(Reason.DAMAGED_INDEX, "its index names no track: cut off or damaged on its way")
    pictures = [s for s in streams if s.type == "video" and not s.is_cover]
    sounds = [s for s in streams if s.type == "audio"]
    if not pictures:
        kinds = sorted({s.type for s in streams})
        raise Refused(Reason.NO_VIDEO, f"{container} with {', '.join(kinds)}")
    decodable = [s for s in pictures if s.codec is not None]
    if not decodable:
        raise Refused(Reason.UNDECODABLE, "its video is in no format that we can decode")
    picture = min(decodable, key=lambda s: (s.packets < 2, not s.is_default, -s.width * s.height, s.index))
    if brand in STILL_BRANDS and picture.packets < 2:
        raise Refused(Reason.STILL_IMAGE, f"a photograph ({brand.upper()}), not a video")
    ranked = sorted(
        (s for s in sounds if s.codec is not None),
        key=lambda s: (not s.is_default, s.is_extra, s.packets == 0, s.index),
    )
    if any(s.is_encrypted for s in (picture, *ranked[:1])):
        raise Refused(Reason.ENCRYPTED, "its samples are encrypted, and only the owner of the key can play them")
    if picture.width * picture.height > MAX_PIXELS:
        raise Refused(Reason.TOO_LARGE, f"{picture.width}x{picture.height} pixels, limit {MAX_PIXELS} per frame")
    return picture, ranked
