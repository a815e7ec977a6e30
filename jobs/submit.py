"""What spark-submit starts: one job for one day, in the session that spark-submit configured.

Belongs here: the arguments that an orchestrator passes. People use `reelmill run`, which does the same.
"""

from __future__ import annotations

import argparse
from datetime import date

from pyspark.sql import SparkSession

from jobs.engine.runner import run_job
from jobs.engine.window import Window
from jobs.pipeline import find
from jobs.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description="Run one Reelmill job for the day an orchestrator names.")
    parser.add_argument("--job", required=True)
    parser.add_argument("--date", required=True, type=date.fromisoformat)
    arguments = parser.parse_args()
    settings = Settings()
    spark = SparkSession.builder.getOrCreate()
    run = run_job(find(arguments.job), Window.of_day(arguments.date), spark, settings, catch_up=True)
    print(f"{run.job} {run.window}: {run.rows} rows, {run.quarantined} set aside, {run.seconds:.1f} s")
    for warning in run.warnings:
        print(f"warning: {warning}")
    spark.stop()


if __name__ == "__main__":
    main()
