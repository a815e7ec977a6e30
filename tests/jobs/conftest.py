"""A job that does nothing, and a run of it: enough to see what the runner records."""

from datetime import date

import pytest
from pyspark.sql import SparkSession

from jobs.job import Job, Window
from jobs.lake import Lake
from jobs.runner import JobRun, run_job
from jobs.settings import Settings


@pytest.fixture
def noop() -> Job:
    def nothing(lake: Lake, window: Window) -> None:
        assert lake.job == "sim.noop" and window

    return Job("sim.noop", "day", (), (), nothing, "Does nothing.")


@pytest.fixture
def recorded_run(noop: Job, spark: SparkSession, settings: Settings) -> JobRun:
    return run_job(noop, Window.of_day(date(2026, 1, 5)), spark, settings)
