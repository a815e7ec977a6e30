"""What an orchestrator starts: one job for one window.

Belongs here: the arguments that it passes, and the two ways to start. On a cluster spark-submit runs this file; on one
machine a process that waits for the next job does (jobs/host/warm.py). People use `reelmill run`, which takes the same
arguments.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pyspark.sql import SparkSession

from jobs.engine import aside, idle
from jobs.engine.job import Job
from jobs.engine.lake import TableMissing
from jobs.engine.pulse import pulse
from jobs.engine.runner import JobFailed, run_job
from jobs.engine.spark import CODE, session
from jobs.engine.window import Window, check, day_or_instant, requested
from jobs.errors import LastingError, ReelmillError
from jobs.host import warm
from jobs.pipeline import WRITERS, find
from jobs.settings import REPOSITORY, Settings

# What decides how a process works that this one starts.
DECIDES = ("REELMILL_", "SPARK_", "PYSPARK_", "JAVA_", "JDK_")
# With this it ends when a repetition would fail as well (EX_DATAERR of sysexits.h); spark-submit passes it on.
FOR_GOOD = 65


class JobKilled(ReelmillError):
    """The process that ran a job was killed."""

    def __init__(self, job: str) -> None:
        super().__init__(
            f"{job} failed: its process was killed, probably out of memory. Let fewer tasks run at once "
            "(AIRFLOW__CORE__PARALLELISM), give Spark a smaller heap (REELMILL_SPARK_MEMORY), or the machine more "
            "memory."
        )


class Asked(NamedTuple):
    """What an orchestrator asks for. `run_id`: by which it will know the run again in ops.job_runs."""

    job: Job
    window: Window
    run_id: str | None


def asked(arguments: Sequence[str]) -> Asked:
    """The job, its window, and the id of the run if it is given one. Raises WrongWindow, before Spark starts."""
    parser = argparse.ArgumentParser(
        description="Run one Reelmill job for the window that an orchestrator names: by a day such as 2026-01-31, by "
        "an instant such as 2026-01-31T09:00Z, for the five minutes, hour or day of the job that holds it, or by two."
    )
    parser.add_argument("--job", required=True)
    parser.add_argument("--date", type=day_or_instant, help="the day or the instant that the run is for")
    parser.add_argument("--start", type=day_or_instant, help="where its window starts, with --end")
    parser.add_argument("--end", type=day_or_instant, help="where its window ends, not included")
    parser.add_argument("--run-id", help="the id that the run shall have in ops.job_runs; a new one when left out")
    options = parser.parse_args(arguments)
    job = find(options.job)
    window = requested(job.every, options.date, options.start, options.end)
    if window is None:
        parser.error("it needs --date, or --start and --end")
    check(job.name, job.every, window, datetime.now(UTC))
    return Asked(job, window, options.run_id)


def warmly(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    """Run one job on this machine, in a process that has just run another of the same home if there is one.

    What the job says, line by line. `environment` is added to this process's own. Raises warm.WorkFailed, and
    JobKilled.
    """
    environment = {**os.environ, **environment}
    start = [sys.executable, "-m", "jobs.submit", "--wait"]
    place = Settings().home / "warm" / socket.gethostname()
    try:
        yield from warm.hand_over(arguments, start, environment, place, _kind(environment))
    except warm.WorkerKilled as error:
        raise JobKilled(asked(arguments).job.name) from error


def nothing_new(arguments: Sequence[str]) -> str | None:
    """Why the job need not run, found out without Spark (jobs/engine/idle.py); None when it must."""
    request = asked(arguments)
    return idle.nothing_new(request.job, request.window, Settings(), datetime.now(UTC))


def all_idle(jobs: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """For each of these jobs, run with the same arguments, why it need not run; nothing when any of them must."""
    requests = [asked(["--job", job, *arguments]) for job in jobs]
    settings, now = Settings(), datetime.now(UTC)
    # Of a run that does take place, each job says so itself.
    if not all(idle.idle_since(request.job, settings, now) for request in requests):
        return []
    return [reason for r in requests if (reason := idle.nothing_new(r.job, r.window, settings, now))]


def _kind(environment: Mapping[str, str]) -> str:
    """What a process has to have been started with to be as good as a new one: the same settings, and the same code."""
    code = [
        (str(path), path.stat().st_mtime_ns)
        for room in CODE
        for path in sorted(REPOSITORY.joinpath(room).rglob("*"))
        if path.suffix in (".py", ".yaml")
    ]
    decides = sorted(item for item in environment.items() if item[0].startswith(DECIDES))
    return hashlib.sha256(repr((code, decides)).encode()).hexdigest()[:16]


def run(request: Asked, spark: SparkSession, settings: Settings) -> None:
    """Run the job, and say how far it is and what it did. Raises JobFailed."""
    job, window, run_id = request
    try:
        with pulse(spark, job.name, print):
            done = run_job(job, window, spark, settings, catch_up=True, run_id=run_id)
    except JobFailed as failed:
        missing = failed.__cause__
        if isinstance(missing, TableMissing) and missing.table in WRITERS:
            raise type(failed)(f"{failed} That is {WRITERS[missing.table].name}: clear it first.") from missing
        raise
    print(f"{done.job} {done.window}: {done.rows} rows, {done.quarantined} set aside, {done.seconds:.1f} s")
    if done.quarantined:
        for line in aside.described(job.writes, done.run_id, settings):
            print(line)
    for warning in done.warnings:
        print(f"warning: {warning}")


def main(arguments: Sequence[str]) -> None:
    settings = Settings()
    if arguments[:1] == ["--wait"]:
        kind, place, channel = arguments[1:]
        given = socket.socket(fileno=int(channel))
        warm.serve(lambda words: run(asked(words), session(settings), settings), kind, Path(place), given)
    else:
        # Before Spark starts, which takes seconds: what was asked for may be wrong.
        request = asked(arguments)
        spark = session(settings)
        run(request, spark, settings)
        spark.stop()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except LastingError as lasting:
        print(lasting, file=sys.stderr)
        sys.exit(FOR_GOOD)
