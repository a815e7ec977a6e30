"""What a job declares: its tables, how often it runs, and the window it works on.

Belongs here: the declaration only, importable in milliseconds, since Airflow parses it. How often jobs run:
cadence.py. Running a job: runner.py. The list of all jobs: pipeline.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from jobs.engine.cadence import Cadence

if TYPE_CHECKING:
    from jobs.engine.lake import Lake


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


@dataclass(frozen=True)
class Job:
    """A declared job. Calling it runs its function and nothing else; the runner adds lock, record and commit id."""

    name: str
    every: Cadence
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    function: Callable[[Lake, Window], None]
    doc: str

    def __call__(self, lake: Lake, window: Window) -> None:
        self.function(lake, window)


def job(
    *, every: Cadence, reads: Sequence[str], writes: Sequence[str]
) -> Callable[[Callable[[Lake, Window], None]], Job]:
    """Declare the one entry of a job module; its name is the module's, without `jobs.`."""

    def declare(function: Callable[[Lake, Window], None]) -> Job:
        module = sys.modules[function.__module__]
        name = function.__module__.removeprefix("jobs.")
        return Job(name, every, tuple(reads), tuple(writes), function, module.__doc__ or "")

    return declare
