"""Values of other people's files as ours: ids, instants, numbers, yes and no, hashtags; or the sentence why not.

Belongs here: one value at a time. The sentences hold no value, since rows are counted by them; the row itself is kept
beside. Limits of what is plausible: serving/interactions.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jobs.errors import ReelmillError
from serving.ids import is_id, why_not
from serving.interactions import AHEAD, EARLIEST

# What pandas, Spark, MySQL and people write where there is no value.
EMPTY = frozenset({"", "nan", "NaN", "null", "NULL", "None", "\\N", "NaT"})
YES_OR_NO = {
    **dict.fromkeys(("1", "true", "yes", "t", "y", "1.0"), True),
    **dict.fromkeys(("0", "false", "no", "f", "n", "0.0"), False),
}
# Numbers of seconds since 1970 up to the year 5138 are smaller than this; of milliseconds, in 1973 they were larger.
# In between lies nothing that is plausible, so that the unit of a number follows from its size.
SECONDS_BELOW = 1e11
EARLIEST_MS = int(EARLIEST.timestamp() * 1000)
HASHTAGS = re.compile(r"[|,;\s\[\]'\"]+")
NO_GENRES = "(no genres listed)"
MILLISECOND = timedelta(milliseconds=1)


def latest_ms() -> int:
    """The last instant that a clock of today may say, in ms since 1970: what is later was never so."""
    return int((datetime.now(UTC) + AHEAD).timestamp() * 1000)


class NoSuchZone(ReelmillError):
    """A time zone has a name that the zone database does not have."""


class Unusable(ValueError):
    """A value that cannot be what its column is for; the text says why, without the value."""


def zone_named(name: str) -> ZoneInfo:
    """A zone of the zone database, such as Asia/Shanghai. Raises NoSuchZone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise NoSuchZone(f"{name!r} is not a time zone; write it as UTC or Europe/Berlin.") from None


def is_empty(value: Any) -> bool:
    """Whether there is no value: an empty text, NULL, NaN."""
    return math.isnan(value) if isinstance(value, float) else value is None or value in EMPTY


def text(name: str, value: Any) -> str:
    """Any value as text; a number that Parquet holds as 7.0 because others are missing is 7."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise Unusable(f"{name} is not UTF-8") from None
    return str(value).strip()


# The same viewers and videos come again and again.
@lru_cache(1 << 16)
def identity(name: str, value: Any) -> str:
    """An id that every door takes. Raises Unusable."""
    if is_empty(value):
        raise Unusable(f"{name} is empty")
    found = text(name, value)
    if not is_id(found):
        raise Unusable(f"{name} is not an id: {why_not('').partition(': ')[2]}")
    return found


def number(name: str, value: Any, limit: float) -> float:
    """A number from 0 to the limit. Raises Unusable."""
    try:
        # Python reads 1_000 as a number, and nobody else does.
        found = float(value) if "_" not in str(value) else math.nan
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise Unusable(f"{name} is not a number")
    if not 0 <= found <= limit:
        raise Unusable(f"{name} is not from 0 to {limit:.0f}")
    return found


def is_yes(name: str, value: Any) -> bool:
    """Whether a column of yes and no says yes; an empty one says no. Raises Unusable."""
    found = YES_OR_NO.get(value) if isinstance(value, str) else None
    if found is None:
        found = False if is_empty(value) else YES_OR_NO.get(str(value).strip().lower())
    if found is None:
        raise Unusable(f"{name} is neither yes (1, true) nor no (0, false)")
    return found


def instant_ms(name: str, value: Any, zone: tzinfo, latest_ms: int, earliest_ms: int | None = EARLIEST_MS) -> int:
    """Milliseconds since 1970 of a time: a number since 1970 in s, ms, us or ns, by its size, or ISO 8601.

    A time that does not say its zone is in `zone`. Raises Unusable for one before the earliest or after the latest.
    """
    if is_empty(value):
        raise Unusable(f"{name} is empty")
    found = _of_number(value)
    if found is None:
        found = _of_text(name, value, zone)
    if earliest_ms is not None and found < earliest_ms:
        raise Unusable(f"{name} is before {EARLIEST:%Y}")
    if found > latest_ms:
        raise Unusable(f"{name} is in the future")
    return found


def hashtags(value: Any) -> list[str]:
    """The hashtags of a cell, each once: a list, or text with any of | , ; and spaces between them."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return list(dict.fromkeys(str(one) for one in value if not is_empty(one)))
    if is_empty(value) or value == NO_GENRES:
        return []
    return list(dict.fromkeys(one for one in HASHTAGS.split(str(value)) if one not in EMPTY))


def _of_number(value: Any) -> int | None:
    """Milliseconds since 1970 of a number, whatever its unit; None when it is none."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(found):
        return None
    size = abs(found)
    scale = 1000.0 if size < SECONDS_BELOW else 1.0 if size < SECONDS_BELOW * 1e3 else 1e-3
    return round(found * (scale if size < SECONDS_BELOW * 1e6 else 1e-6))


def _of_text(name: str, value: Any, zone: tzinfo) -> int:
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise Unusable(f"{name} is neither a number since 1970 nor an ISO 8601 time") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // MILLISECOND
