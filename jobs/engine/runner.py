"""Runs one job for one window, alone, and records what it did.

Belongs here: the lock, the watchdog and the errors of a run. Its record: runs.py. Its window: window.py. What a job may
write: lake.py. Which days a daily job owes: coverage.py; which hours an hourly one: hours.py. What is done to its
tables now and then: upkeep.py. Which jobs there are and in what order: pipeline.py.
"""

from __future__ import annotations

import signal
import subprocess
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from deltalake.exceptions import DeltaError
from py4j.protocol import Py4JNetworkError

from jobs.engine import coverage, hours, runs, upkeep
from jobs.engine.cadence import Cadence
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.runs import JobRun
from jobs.engine.watchdog import JobStalled, watched
from jobs.engine.window import Window, check, window_for
from jobs.errors import LastingError, ReelmillError
from jobs.host.locks import alone
from jobs.host.scratch import until_a_run_ends
from jobs.host.signals import Stopped
from jobs.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class JobFailed(ReelmillError):
    """A job raised; its run is recorded and nothing of what it did not commit is visible."""


class DriverEnded(ReelmillError):
    """The JVM of the session ended while a job ran."""


class JobFailedForGood(JobFailed, LastingError):
    """A job raised what it would raise again."""


def run_job(
    job: Job,
    window: Window,
    spark: SparkSession,
    settings: Settings,
    *,
    catch_up: bool = False,
    run_id: str | None = None,
) -> JobRun:
    """Run one job for one window and record the run.

    With `catch_up` a daily job also does, in the same pass, the days that it owes (coverage.py), and an hourly one that
    declares `counted_at` its hours (hours.py); others never owe any. Without it the window is done exactly, and what is
    owed before it stays owed. `run_id`: by which whoever asks for the run will know it again; a new one when left out.
    A run that a signal ends is recorded as failed by it.

    A second run of the same job waits for the first: a table has one writer at a time, across processes. Raises
    JobFailed from the job's own error, after recording it, and WrongWindow before anything is read or locked.
    """
    check(job.name, job.every, window, datetime.now(UTC))
    with alone(settings, job.name):
        lake = Lake(spark, settings, run_id=run_id or str(uuid.uuid4()), job=job)
        started, clock = datetime.now(UTC), time.monotonic()
        error: Exception | None = None

        def record(outcome: BaseException | None) -> JobRun:
            seconds, commits, warnings = time.monotonic() - clock, tuple(lake.commits), tuple(lake.warnings)
            run = JobRun(lake.run_id, job.name, window, seconds, commits, lake.set_aside, warnings)
            runs.record(run, lake, started, outcome)
            return run

        try:
            with watched(spark, settings, record), until_a_run_ends(settings):
                owed = _owed(job, lake)
                if owed and catch_up:
                    window = owed.extend(window)
                    # Whoever asks for a window exactly may do so because a formula was wrong before it.
                    lake.right_until = owed.right_until(window) if isinstance(owed, coverage.Debt) else None
                job(lake, window)
                # A job that found nothing leaves an empty table: whoever reads it knows that it has run.
                for table in job.writes:
                    lake.create(table)
                if owed:
                    coverage.pay(job, lake, owed, window)
                _tend(job, lake)
        except (Stopped, KeyboardInterrupt) as told:
            # Spark may be gone by then, which such a signal may have ended too.
            with suppress(Exception):
                record(told)
            raise
        except Exception as raised:
            error = raised
            if not isinstance(error, JobStalled) and (code := _driver_ended(spark, error)) is not None:
                # What is recorded is told again by whoever asks what is late.
                error = DriverEnded(_why_the_driver_ended(code, settings))
                error.__cause__ = raised
        run = record(error)
    if error is not None:
        reason = str(error) if isinstance(error, ReelmillError) else f"{type(error).__name__}: {error}"
        failed = JobFailedForGood if isinstance(error, LastingError) else JobFailed
        raise failed(f"{job.name} failed for {window}. {reason}") from error
    return run


def _tend(job: Job, lake: Lake) -> None:
    """Tend what the run has written. Its rows are there whether that succeeds or not."""
    try:
        tended = upkeep.tend_own(job, lake.commits, lake.settings)
        lake.warnings += [f"No old file of {done.table} was removed: {done.left}." for done in tended if done.left]
    except (DeltaError, OSError) as error:
        lake.warnings.append(f"Its tables were not tended: {type(error).__name__}: {error}")


def _owed(job: Job, lake: Lake) -> coverage.Debt | hours.HourlyDebt | None:
    if job.every == "day":
        return coverage.debt(job, lake)
    return hours.debt(job, lake) if job.counted_at else None


def _driver_ended(spark: SparkSession, error: Exception) -> int | None:
    """With which code the JVM that this process started has ended, if it has."""
    process: subprocess.Popen[bytes] | None = getattr(spark.sparkContext._gateway, "proc", None)
    if process is None:
        return None
    try:
        # It closes its socket a moment before it is gone; on a machine with much to do that moment is long.
        return process.wait(timeout=10 if isinstance(error, ConnectionError | Py4JNetworkError) else 0.2)
    except subprocess.TimeoutExpired:
        return None


def _why_the_driver_ended(code: int, settings: Settings) -> str:
    """A heap that is exhausted ends the JVM by itself (jobs/engine/spark.py); the kernel kills it for the machine's."""
    if code == -signal.SIGKILL:
        return (
            "Spark's driver was killed while it ran, probably because the machine was out of memory: let fewer jobs "
            f"run at once, or give it a smaller heap than {settings.spark_memory} with REELMILL_SPARK_MEMORY, and run "
            "the job again."
        )
    return (
        f"Spark's driver ended while it ran, most likely out of memory: it may use {settings.spark_memory}. "
        "Give it more with REELMILL_SPARK_MEMORY, such as 6g, and run the job again."
    )


def newest(every: Cadence, lake: Lake) -> datetime:
    """The instant that a run is for when nobody says which: that of the newest watch, so that old data is done too.

    For an hourly run never one of an hour that goes on; what arrives every five minutes is taken in as of now. While
    nobody has watched anything, the last hour that is over, or today.
    """
    now = datetime.now(UTC)
    if every == "5min":
        return now
    latest = window_for("hour", now).start - timedelta(microseconds=1) if every == "hour" else None
    there = lake.span("silver.watches")
    return min(there[1], latest or there[1]) if there else latest or now
