"""What a change of a job, or a backfill of it, makes anew from a day on: which jobs, which windows, and about how much.

Belongs here: that forecast, from the declarations of jobs, the record of runs and the Delta logs, without Spark. It is
told which jobs there are. What a daily job owes indeed, once its inputs have changed: coverage.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import data_contracts
from jobs.engine.job import Job
from jobs.engine.query import newest_whole_day
from jobs.engine.runs import last_seconds
from jobs.engine.tables import Tables
from jobs.engine.window import STEPS, Window
from jobs.errors import ReelmillError
from jobs.settings import Settings


class NothingToMakeAnew(ReelmillError):
    """No day from that one on is over and has watches."""


@dataclass(frozen=True)
class Step:
    """One job that works again. `because`: the tables that it reads and that are made anew; none of the first.

    `runs`: over how many windows, 0 of a job that takes in what arrives and never goes back. `rows`: how many rows of
    its tables lie in files that reach into the window, so at most these are replaced. `last_seconds`: of one run.
    """

    job: str
    every: str
    window: Window
    runs: int
    because: tuple[str, ...]
    how: str
    writes: tuple[str, ...]
    rows: int
    last_seconds: float | None


def plan(jobs: Iterable[Job], first: Job, since: date, settings: Settings) -> list[Step]:
    """The first job and all that reads what it makes, however far, in their order. Raises NothingToMakeAnew."""
    newest = newest_whole_day(settings)
    if since > newest:
        raise NothingToMakeAnew(f"The newest day that is over and has watches is {newest}, and {since} is after it.")
    window = Window.of_days(since, newest)
    seconds, anew = last_seconds(settings), set(first.writes)
    steps = []
    for job in jobs:
        because = tuple(table for table in job.reads if table in anew and table not in job.writes)
        if job.name != first.name and not because:
            continue
        anew |= set(job.writes)
        runs = _runs(job, window)
        steps.append(
            Step(
                job=job.name,
                every=job.every,
                window=window,
                runs=runs,
                because=() if job.name == first.name else because,
                how=_how(job, window, runs, is_first=job.name == first.name),
                writes=job.writes,
                rows=sum(_rows_from(table, window.start, settings) for table in job.writes),
                last_seconds=seconds.get(job.name),
            )
        )
    return steps


def _runs(job: Job, window: Window) -> int:
    if job.every == "5min":
        return 0
    return 1 if job.every in ("day", "hour") else round((window.end - window.start) / STEPS[job.every].length)


def _catches_up(job: Job) -> bool:
    return job.every == "day" or bool(job.counted_at)


def _how(job: Job, window: Window, runs: int, *, is_first: bool) -> str:
    first, last = window.start.date(), window.day
    if _catches_up(job):
        command = f"reelmill run {job.name} --start {first} --end {window.end.date()}"
        return command if is_first else "does these days in its next run by itself, since what it reads differs"
    match job.every:
        case "5min":
            return "takes in only what is new, and makes none of these days again"
        case "hour":
            command = f"reelmill run {job.name} --start {first} --end {window.end.date()}"
            return (
                command if is_first else f"does the newest hour in its next run by itself; these days only by {command}"
            )
        case _:
            each = f"reelmill run {job.name} --date {first}" + (f", and so on to {last}" if runs > 1 else "")
            newest = "does the newest in its next run by itself"
            return each if is_first else newest if runs == 1 else f"{newest}; those before it only by {each}"


def _rows_from(table: str, start: datetime, settings: Settings) -> int:
    """The rows of the files that reach to the instant or beyond, by the statistics of the log; of all without these."""
    tables = Tables.of(settings)
    if not tables.is_there(table):
        return 0
    files = tables.open(table).get_add_actions(flatten=True)
    column = f"max.{data_contracts.load(table).window_column}"
    counts = files.column("num_records").to_pylist()
    if column not in files.schema.names:
        return sum(counts)
    ends = files.column(column).to_pylist()
    return sum(count for count, end in zip(counts, ends, strict=True) if end is None or _instant(end) >= start)


def _instant(at: date | datetime) -> datetime:
    return at if isinstance(at, datetime) else datetime.combine(at, time(), UTC)
