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

from pyspark.sql import SparkSession

from jobs.engine import idle
from jobs.engine.job import Job
from jobs.engine.runner import run_job
from jobs.engine.spark import CODE, session
from jobs.engine.window import Window, day_or_instant, requested
from jobs.host import warm
from jobs.pipeline import find
from jobs.settings import REPOSITORY, Settings

# What decides how a process works that this one starts.
DECIDES = ("REELMILL_", "SPARK_", "PYSPARK_", "JAVA_", "JDK_")


def asked(arguments: Sequence[str]) -> tuple[Job, Window]:
    """The job and its window."""
    parser = argparse.ArgumentParser(
        description="Run one Reelmill job for the window that an orchestrator names: by a day such as 2026-01-31, by "
        "an instant such as 2026-01-31T09:00Z, for the five minutes, hour or day of the job that holds it, or by two."
    )
    parser.add_argument("--job", required=True)
    parser.add_argument("--date", type=day_or_instant, help="the day or the instant that the run is for")
    parser.add_argument("--start", type=day_or_instant, help="where its window starts, with --end")
    parser.add_argument("--end", type=day_or_instant, help="where its window ends, not included")
    options = parser.parse_args(arguments)
    job = find(options.job)
    window = requested(job.every, options.date, options.start, options.end)
    if window is None:
        parser.error("it needs --date, or --start and --end")
    return job, window


def warmly(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    """Run one job on this machine, in a process that has just run another of the same home if there is one.

    What the job says, line by line. `environment` is added to this process's own. Raises warm.WorkFailed.
    """
    environment = {**os.environ, **environment}
    start = [sys.executable, "-m", "jobs.submit", "--wait"]
    place = Settings().home / "warm" / socket.gethostname()
    return warm.hand_over(arguments, start, environment, place, _kind(environment))


def nothing_new(arguments: Sequence[str]) -> str | None:
    """Why the job need not run, found out without Spark (jobs/engine/idle.py); None when it must."""
    job, window = asked(arguments)
    return idle.nothing_new(job, window, Settings(), datetime.now(UTC))


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


def run(job: Job, window: Window, spark: SparkSession, settings: Settings) -> None:
    """Run the job, and say what it did. Raises JobFailed."""
    done = run_job(job, window, spark, settings, catch_up=True)
    print(f"{done.job} {done.window}: {done.rows} rows, {done.quarantined} set aside, {done.seconds:.1f} s")
    for warning in done.warnings:
        print(f"warning: {warning}")


def main(arguments: Sequence[str]) -> None:
    settings = Settings()
    if arguments[:1] == ["--wait"]:
        kind, place, channel = arguments[1:]
        given = socket.socket(fileno=int(channel))
        warm.serve(lambda words: run(*asked(words), session(settings), settings), kind, Path(place), given)
    else:
        # Before Spark starts, which takes seconds: what was asked for may be wrong.
        job, window = asked(arguments)
        spark = session(settings)
        run(job, window, spark, settings)
        spark.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
