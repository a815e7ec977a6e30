"""Whether a job that takes in what has arrived, or counts it by the hour, has anything to do, without Spark.

Belongs here: the question, and the record that it was asked. It is asked of five-minute and of hourly jobs: what others
do depends on their window too. Running a job: runner.py.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake.exceptions import DeltaError

from jobs.engine import runs
from jobs.engine.job import Job, Sought
from jobs.engine.query import span
from jobs.engine.tables import Tables
from jobs.engine.window import Window
from jobs.settings import Settings

# Now and then it runs all the same, for what a job does besides, such as forgetting what was kept for a week.
AT_LEAST_EVERY = timedelta(days=1)


def nothing_new(job: Job, window: Window, settings: Settings, now: datetime) -> str | None:
    """Why the job need not run, which is recorded as a run that found nothing; None when it must."""
    if (last := idle_since(job, settings, now)) is None:
        return None
    runs.record_nothing_new(job.name, window, last.found, settings, now)
    return f"Nothing has arrived for {job.name} since its run of {last.started_at:%Y-%m-%d %H:%M:%S} UTC."


def idle_since(job: Job, settings: Settings, now: datetime) -> runs.LastRun | None:
    """The run since which nothing has arrived for the job; None when it must run.

    It must now and then, after a run that failed or warned, when a table that it reads has another version than its
    last run found (where it seeks certain rows, with a file that may have some), when one that it writes is gone, and
    when something has arrived from outside since that run began. An hourly job also must while its input goes further
    than that run did.
    """
    if job.every not in ("5min", "hour") or (last := runs.last(job.name, settings)) is None:
        return None
    tables = Tables.of(settings)
    if (
        last.status != "succeeded"
        or last.warnings
        or last.worked_at is None
        or now - last.worked_at > AT_LEAST_EVERY
        or not all(tables.is_there(table) for table in job.writes)
        or any(_has_news(job, table, last.found.get(table), tables) for table in job.reads)
        or (job.arrived is not None and job.arrived(settings, last.started_at))
        or (job.every == "hour" and _goes_beyond(job, last.window_end, settings))
    ):
        return None
    return last


def _has_news(job: Job, table: str, found: int | None, tables: Tables) -> bool:
    """Whether the table has changed since the version that a run found, so that the job has work."""
    if tables.version(table) == found:
        return False
    sought = next((one for one in job.seeks if one.table == table), None)
    return sought is None or found is None or _may_have(sought, found, tables)


def _may_have(sought: Sought, since: int, tables: Tables) -> bool:
    """Whether a file that came after that version may have such a row, by the statistics of the log."""
    try:
        known = {file["path"] for file in _files(sought.table, tables, since)} if since >= 0 else set()
    except DeltaError:  # its log begins after that version
        return True
    bounds = [
        (file.get(f"min.{sought.column}"), file.get(f"max.{sought.column}"))
        for file in _files(sought.table, tables)
        if file["path"] not in known
    ]
    return any(first is None or last is None or first <= sought.value <= last for first, last in bounds)


def _files(table: str, tables: Tables, version: int | None = None) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = pa.table(tables.open(table, version).get_add_actions(flatten=True)).to_pylist()
    return files


def _goes_beyond(job: Job, end: datetime, settings: Settings) -> bool:
    """Whether the job's first input has a row at or after the end of a window."""
    reach = span(job.reads[0], settings) if job.reads else None
    return reach is not None and reach[1] >= end
