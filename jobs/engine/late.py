"""Which tables are late, by the promise of their contracts, which run is to blame, and where upstream it began.

Belongs here: that rule and its sentences, the same for the command and for Airflow's deadlines. It is told which jobs
there are. How old a table may become: freshness.py. The record of runs: runs.py.

A table is late when its job last ended well longer ago than the contract's freshness. A run of an older window than the
newest that was ever done, such as a backfill, makes nothing fresh; one that found nothing new does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import data_contracts
from jobs.engine.freshness import allowed
from jobs.engine.job import Job
from jobs.engine.runs import Attempt, attempts
from jobs.errors import ReelmillError
from jobs.settings import Settings


class NothingRan(ReelmillError):
    """There is no record of any run."""


@dataclass(frozen=True)
class Late:
    """A late table. `since`: when it became late, None if it was never made; `first`: the first late table upstream."""

    table: str
    promise: str
    job: str
    since: datetime | None
    cause: str
    first: str | None

    def __str__(self) -> str:
        when = f"since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else "and was never made"
        origin = f"The first late table upstream is {self.first}." if self.first else "Nothing upstream of it is late."
        return f"{self.table} is late {when} (it promises {self.promise}). {self.cause} {origin}"


def late(jobs: Iterable[Job], settings: Settings, now: datetime) -> list[Late]:
    """The late tables of these jobs, given in their order, upstream first. Raises NothingRan."""
    jobs = list(jobs)
    record = attempts(settings)
    if not record:
        raise NothingRan(f"No job has run in {settings.home} yet, so no table is due. Run `reelmill pipeline nightly`.")
    due_at = _dues(jobs, record)
    overdue = {table for table, at in due_at.items() if at is None or at < now}
    upstream = _upstream(jobs)
    return [
        Late(
            table=table,
            promise=data_contracts.load(table).freshness,
            job=job.name,
            since=due_at[table],
            cause=_cause(job, record.get(job.name, [])),
            first=next((other for other in due_at if other in overdue and other in upstream[table]), None),
        )
        for job in jobs
        for table in job.writes
        if table in overdue
    ]


def due(table: str, job: Job, settings: Settings) -> datetime | None:
    """When the table that the job writes becomes late if nothing more runs; None while the job never ended well."""
    return dues([job], settings)[table]


def dues(jobs: Iterable[Job], settings: Settings) -> dict[str, datetime | None]:
    """The same for every table that these jobs write."""
    return _dues(jobs, attempts(settings))


def write_down(one: Late, settings: Settings) -> None:
    """Append what is late to logs/late.log of the home, for whoever comes when it is late no more."""
    log = settings.home / "logs" / "late.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as lines:
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC {one}", file=lines)


def _dues(jobs: Iterable[Job], record: Mapping[str, list[Attempt]]) -> dict[str, datetime | None]:
    return {table: _due(table, job, record.get(job.name, [])) for job in jobs for table in job.writes}


def _due(table: str, job: Job, runs: list[Attempt]) -> datetime | None:
    last = _last_good(job, runs)
    return None if last is None else last.ended_at + allowed(table)


def _last_good(job: Job, runs: list[Attempt]) -> Attempt | None:
    good = [run for run in runs if run.error is None]
    if job.every != "5min":  # which takes in what has arrived by now, whatever its window
        newest = max((run.window.end for run in good), default=None)
        good = [run for run in good if run.window.end == newest]
    return max(good, key=lambda run: run.ended_at, default=None)


def _cause(job: Job, runs: list[Attempt]) -> str:
    last = _last_good(job, runs)
    failed = [run for run in runs if run.error is not None and (last is None or run.ended_at > last.ended_at)]
    if failed:
        run = max(failed, key=lambda run: run.ended_at)
        error = " ".join(str(run.error).split())
        at = f"{run.ended_at:%Y-%m-%d %H:%M} UTC"
        return f"The run {run.run_id} of {job.name} for {run.window} failed at {at}: {error}"
    if last is None:
        return f"{job.name} has never run."
    return (
        f"{job.name} has not ended since its run {last.run_id} for {last.window}, which ended well at "
        f"{last.ended_at:%Y-%m-%d %H:%M} UTC."
    )


def _upstream(jobs: list[Job]) -> Mapping[str, set[str]]:
    """For each table all those that it is made of, however far away."""
    made_of: dict[str, set[str]] = {}
    for job in jobs:
        read = set(job.reads) - set(job.writes)
        further = set().union(*(made_of.get(table, set()) for table in read))
        for table in job.writes:
            made_of[table] = read | further
    return made_of
