"""What spark-submit starts: one job for one window, in the session that spark-submit configured.

Belongs here: the arguments that an orchestrator passes. People use `reelmill run`, which takes the same ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyspark.sql import SparkSession

from jobs.engine.job import Job
from jobs.engine.runner import run_job
from jobs.engine.window import Window, day_or_instant, requested
from jobs.pipeline import find
from jobs.settings import Settings


def asked(arguments: Sequence[str] | None = None) -> tuple[Job, Window]:
    """The job and its window, from the arguments, by default those of this process."""
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


def main() -> None:
    job, window = asked()
    settings = Settings()
    spark = SparkSession.builder.getOrCreate()
    run = run_job(job, window, spark, settings, catch_up=True)
    print(f"{run.job} {run.window}: {run.rows} rows, {run.quarantined} set aside, {run.seconds:.1f} s")
    for warning in run.warnings:
        print(f"warning: {warning}")
    spark.stop()


if __name__ == "__main__":
    main()
