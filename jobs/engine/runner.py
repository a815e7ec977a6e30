"""Runs one job for one window, alone, and records what it did.

Belongs here: the lock, the watchdog and the errors of a run. Its record: runs.py. What a job may write: lake.py. Which
days a daily job owes: coverage.py. Which jobs there are and in what order: pipeline.py.
"""

from __future__ import annotations

import subprocess
import time
import uuid
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from py4j.protocol import Py4JNetworkError
from pyspark.sql import functions as F

import data_contracts
from jobs.engine import coverage, runs
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.runs import JobRun
from jobs.engine.watchdog import JobStalled, watched
from jobs.engine.window import Window
from jobs.errors import ReelmillError
from jobs.host.locks import alone
from jobs.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class JobFailed(ReelmillError):
    """A job raised; its run is recorded and nothing of what it did not commit is visible."""


class WrongWindow(ReelmillError):
    """The job cannot work on the window that was asked for."""


def run_job(job: Job, window: Window, spark: SparkSession, settings: Settings, *, catch_up: bool = False) -> JobRun:
    """Run one job for one window and record the run.

    With `catch_up` a daily job also does, in the same pass, the days that it owes (coverage.py); others never owe any.
    Without it the window is done exactly, and what is owed before it stays owed.

    A second run of the same job waits for the first: a table has one writer at a time, across processes. Raises
    JobFailed from the job's own error, after recording it, and WrongWindow before anything is read or locked.
    """
    _check(job, window)
    with alone(settings, job.name):
        lake = Lake(spark, settings, run_id=str(uuid.uuid4()), job=job)
        started, clock = datetime.now(UTC), time.monotonic()
        error: Exception | None = None

        def record(outcome: Exception | None) -> JobRun:
            seconds, commits, warnings = time.monotonic() - clock, tuple(lake.commits), tuple(lake.warnings)
            run = JobRun(lake.run_id, job.name, window, seconds, commits, lake.set_aside, warnings)
            runs.record(run, lake, started, outcome)
            return run

        try:
            with watched(spark, settings, record):
                owed = coverage.debt(job, lake) if job.every == "day" else None
                if owed and catch_up:
                    window = owed.extend(window)
                job(lake, window)
                # A job that found nothing leaves an empty table: whoever reads it knows that it has run.
                for table in job.writes:
                    lake.create(table)
                if owed:
                    coverage.pay(job, lake, owed, window)
        except Exception as raised:
            error = raised
        run = record(error)
    if error is not None:
        reason = str(error) if isinstance(error, ReelmillError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, JobStalled) and _has_ended(spark, error):
            reason = (
                f"Spark's driver ended while it ran, most likely out of memory: it may use {settings.spark_memory}. "
                "Give it more with REELMILL_SPARK_MEMORY, such as 6g, and run the job again."
            )
        raise JobFailed(f"{job.name} failed for {window}. {reason}") from error
    return run


def _check(job: Job, window: Window) -> None:
    today = datetime.now(UTC).date()
    if window.day > today:
        # Its success would say that the days until then are done.
        raise WrongWindow(f"{job.name} cannot run for {window.day}: that day is not here yet. Today is {today} (UTC).")
    if job.every == "night" and window != Window.of_day(window.day):
        # Such a job writes the rows of its last day; replacing a longer window would delete the nights before it.
        raise WrongWindow(
            f"{job.name} works on one night and was asked for {window}. Run it for each day: "
            f"reelmill run {job.name} --date {window.day}"
        )


def _has_ended(spark: SparkSession, error: Exception) -> bool:
    """Whether the JVM that this process started is gone; a heap that is exhausted ends it (jobs/engine/spark.py)."""
    process = getattr(spark.sparkContext._gateway, "proc", None)
    if process is None:
        return False
    try:
        # It closes its socket a moment before it is gone; on a machine with much to do that moment is long.
        process.wait(timeout=10 if isinstance(error, ConnectionError | Py4JNetworkError) else 0.2)
    except subprocess.TimeoutExpired:
        return False
    return True


def newest_day(table: str, lake: Lake) -> date:
    """The day of the newest row of a table that has a window column; today while it has none."""
    column = data_contracts.load(table).window_column
    newest = lake.read(table).agg(F.date_format(F.max(F.col(column or "")), "yyyy-MM-dd").alias("day")).first()
    if newest is None or newest["day"] is None:
        return datetime.now(UTC).date()
    return date.fromisoformat(newest["day"])
