"""Why an upload cannot be published: the closed list of reasons, their limits, and the error that carries one.

Belongs here: the words and numbers that a creator may be told. Finding out which one applies: probe.py, ladder.py
and publish.py.
"""

from __future__ import annotations

from enum import StrEnum

from jobs.errors import ReelmillError

MAX_SECONDS = 180.0
"""Longest clip; short video ends at three minutes on the large platforms, and one file bounds one Spark task."""

MIN_SECONDS = 0.5
"""Shortest clip; below it a loop flickers and a share of it watched means nothing."""

MAX_BYTES = 500 * 1024**2
"""Largest file: three minutes at 23 Mbit/s, above what phones record by default."""

MAX_PIXELS = 8192 * 4320
"""Largest frame: 8K. A few bytes can declare a frame that takes gigabytes to decode."""

MIN_SHORT_SIDE = 64
"""Smallest short side in pixels; less is an icon or a tracking pixel."""

MAX_ASPECT = 5.0
"""Longest long side per short side; a rung of 720 pixels then stays inside H.264 level 5.1."""


MIN_WHOLE = 0.95
"""Least share of a track's packets that decode to whole frames; below it holes and smears are what one sees."""


class Reason(StrEnum):
    """The first word of silver.videos.reason for a rejected video; analysts group by it."""

    MISSING_FILE = "missing_file"
    NOT_MEDIA = "not_media"
    STILL_IMAGE = "still_image"
    DAMAGED_INDEX = "damaged_index"
    ENCRYPTED = "encrypted"
    NO_VIDEO = "no_video"
    UNDECODABLE = "undecodable"
    TRUNCATED = "truncated"
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    BAD_SHAPE = "bad_shape"
    TIMED_OUT = "timed_out"
    WITHDRAWN = "withdrawn"


class Refused(ReelmillError):
    """This file cannot be published; `str()` is "<reason>: <detail>", as stored in silver.videos.reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[Refused], tuple[Reason, str]]:
        """Spark pickles errors between workers; the default would call the class with one argument."""
        return Refused, (self.reason, self.detail)
