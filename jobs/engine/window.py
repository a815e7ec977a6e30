"""The span of time that a job works on.

Belongs here: windows, importable in milliseconds, since Airflow parses it. How often jobs run: cadence.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta


@dataclass(frozen=True)
class Window:
    """A half-open span of time [start, end), both in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None or self.start >= self.end:
            raise ValueError(f"a window needs two UTC instants in order, not {self.start!r} and {self.end!r}")

    @property
    def day(self) -> date:
        """The last day that the window covers."""
        return (self.end - timedelta(microseconds=1)).date()

    @classmethod
    def of_day(cls, day: date) -> Window:
        return cls.of_days(day, day)

    @classmethod
    def of_days(cls, first: date, last: date) -> Window:
        """From the start of the first day to the end of the last."""
        start = datetime.combine(first, time(), UTC)
        return cls(start, datetime.combine(last, time(), UTC) + timedelta(days=1))

    @classmethod
    def of_hour(cls, moment: datetime) -> Window:
        start = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return cls(start, start + timedelta(hours=1))

    def __str__(self) -> str:
        return f"[{self.start:%Y-%m-%dT%H:%M}, {self.end:%Y-%m-%dT%H:%M})"
