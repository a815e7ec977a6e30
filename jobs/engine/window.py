"""The span of time that a job works on, and THE rule by which a run gives a job its window.

Belongs here: windows, how a person or an orchestrator asks for one, and which of them a job may be run for; importable
in milliseconds, since every DAG file loads it. How often jobs run: cadence.py. What a run is for when nobody says so:
`newest` in runner.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from jobs.engine.cadence import Cadence
from jobs.errors import LastingError


class Step(NamedTuple):
    """The windows of a cadence are laid end to end from midnight UTC: how long each is, and what several are called."""

    length: timedelta
    several: str


HOUR = timedelta(hours=1)
_DAY = Step(timedelta(days=1), "whole days")
STEPS: dict[Cadence, Step] = {
    "5min": Step(timedelta(minutes=5), "steps of five minutes"),
    "hour": Step(HOUR, "whole hours"),
    "day": _DAY,
    "night": _DAY,
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class WrongWindow(LastingError):
    """The job cannot work on the window that was asked for."""


class NotATime(LastingError):
    """What was asked for is neither a day nor an instant."""


@dataclass(frozen=True)
class Window:
    """A half-open span of time [start, end), both in UTC; with `parts` only those, which begin and end it."""

    start: datetime
    end: datetime
    parts: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None or self.start >= self.end:
            raise ValueError(f"a window needs two UTC instants in order, not {self.start!r} and {self.end!r}")

    @property
    def day(self) -> date:
        """The last day that the window covers."""
        return (self.end - timedelta(microseconds=1)).date()

    @property
    def spans(self) -> tuple[Window, ...]:
        """What is to be worked on, in order, without the gaps between."""
        return self.parts or (self,)

    @property
    def hours(self) -> list[datetime]:
        """The starts of the whole hours in it, in order, those between its parts left out."""
        return [span.start + n * HOUR for span in self.spans for n in range((span.end - span.start) // HOUR)]

    @classmethod
    def of_hours(cls, starts: Iterable[datetime]) -> Window:
        """These hours, each named by its start, at least one; the gaps between them are left out."""
        spans: list[Window] = []
        for start in sorted(set(starts)):
            if spans and spans[-1].end == start:
                spans[-1] = cls(spans[-1].start, start + HOUR)
            else:
                spans.append(cls(start, start + HOUR))
        return cls(spans[0].start, spans[-1].end, tuple(spans) if len(spans) > 1 else ())

    @classmethod
    def of_day(cls, day: date) -> Window:
        """From the start of a day to its end."""
        return cls.of_days(day, day)

    @classmethod
    def of_days(cls, first: date, last: date) -> Window:
        """From the start of the first day to the end of the last."""
        return cls(instant(first), instant(last) + timedelta(days=1))

    def __str__(self) -> str:
        return f"[{self.start:%Y-%m-%dT%H:%M}, {self.end:%Y-%m-%dT%H:%M})"


def window_for(every: Cadence, at: date | datetime, until: date | datetime | None = None) -> Window:
    """The window of a job of that cadence, on a run for `at`, or on one for all from `at` up to `until`.

    A run for an instant gives a job the five minutes, the hour or the UTC day that holds it; a run for a day gives
    every job that day. `until` is not included; there, and with it, a day is its midnight. Raises WrongWindow when
    `until` is not after `at`. Which windows a job may be run for: `check`.
    """
    if until is not None:
        start, end = instant(at), instant(until)
        if start >= end:
            raise WrongWindow(
                f"A window ends after it starts, and {end:%Y-%m-%dT%H:%MZ} is not after {start:%Y-%m-%dT%H:%MZ}. "
                "The end is not included: for the one day 2026-01-18, ask from 2026-01-18 to 2026-01-19."
            )
        return Window(start, end)
    if not isinstance(at, datetime):
        return Window.of_day(at)
    step = STEPS[every].length
    start = _begin(instant(at), step)
    return Window(start, start + step)


def requested(
    every: Cadence, on: date | datetime | None, start: date | datetime | None, end: date | datetime | None
) -> Window | None:
    """The window that the options --date, or --start and --end, ask for; None without any. Raises WrongWindow."""
    if start is None and end is None:
        return None if on is None else window_for(every, on)
    if on is not None or start is None or end is None:
        raise WrongWindow("Ask for a window by --date alone, or by both --start and --end.")
    return window_for(every, start, end)


def check(name: str, every: Cadence, window: Window, now: datetime) -> None:
    """Let through the windows that a job may be run for: whole steps of its cadence, begun; for a night job one.

    Raises WrongWindow with what to ask for instead.
    """
    step, several = STEPS[every]
    if any(_begin(end, step) != end for end in (window.start, window.end)):
        # It would write rows of a whole hour or day from a part of it.
        raise WrongWindow(
            f"{name} works on {several} and was asked for {window}. Ask from the start of one to the end of one: "
            f"--start {written(_begin(window.start, step))} --end {written(_begin(window.end, step) + step)}"
        )
    # A five-minute job takes in what is there by now, so the day that it is run for may go on.
    last = _DAY.length if every == "5min" else step
    if max(window.start, window.end - last) > now:
        # Its success would say that the days or hours until then are done.
        raise WrongWindow(
            f"{name} cannot run for {window}: the last of its {several} is not here yet. "
            f"It is {now:%Y-%m-%d %H:%M} (UTC)."
        )
    if every == "night" and window.end - window.start > step:
        # Such a job writes the rows of its last day; replacing a longer window would delete the nights before it.
        raise WrongWindow(
            f"{name} works on one night and was asked for {window}. Run it for each day: "
            f"reelmill run {name} --date {window.day}"
        )


def day_or_instant(text: str) -> date | datetime:
    """What a person or an orchestrator writes, such as 2026-01-31 or 2026-01-31T09:00Z. Raises NotATime."""
    try:
        if len(text) <= len("2026-01-31"):
            return date.fromisoformat(text)
        at = datetime.fromisoformat(text)
    except ValueError:
        raise NotATime(
            f"{text!r} is neither a day nor an instant; write it as 2026-01-31 or as 2026-01-31T09:00Z"
        ) from None
    if at.tzinfo is None:
        raise NotATime(f"{text!r} has no time zone; write it as {written(at.replace(tzinfo=UTC))} if it is in UTC")
    return at.astimezone(UTC)


def instant(at: date | datetime) -> datetime:
    """An instant in UTC; for a day the midnight with which it begins."""
    return at.astimezone(UTC) if isinstance(at, datetime) else datetime.combine(at, time(), UTC)


def of_micros(micros: int) -> datetime:
    """The instant so many microseconds after 1970: Spark's own number, since Python would get a local time of it."""
    return EPOCH + timedelta(microseconds=micros)


def written(at: datetime) -> str:
    """An instant as a person would write it."""
    return f"{at:%Y-%m-%d}" if at.time() == time() else f"{at:%Y-%m-%dT%H:%MZ}"


def _begin(at: datetime, step: timedelta) -> datetime:
    """The begin of the step that holds an instant."""
    return at - (at - EPOCH) % step
