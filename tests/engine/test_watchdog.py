"""A job in which nothing moves is ended and recorded; one that works, in whatever process, is left alone."""

import subprocess
import sys
import time
from dataclasses import replace
from datetime import date

import pytest
from pyspark.sql import SparkSession

from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.query import query
from jobs.engine.runner import JobFailed, run_job
from jobs.engine.window import Window
from jobs.settings import REPOSITORY, Settings

DAY = Window.of_day(date(2026, 1, 5))
OUTCOME = "SELECT status, error FROM ops.job_runs"


@pytest.fixture
def impatient(settings: Settings) -> Settings:
    return settings.model_copy(update={"stalled_after_s": 4.0})


def test_a_job_that_waits_for_ever_is_ended_with_a_sentence_and_a_record(
    spark: SparkSession, impatient: Settings, noop: Job
) -> None:
    def waits(lake: Lake, window: Window) -> None:
        time.sleep(60)

    with pytest.raises(JobFailed, match=r"sim\.noop failed .* Nothing moved for 4 s: .*stalled\.log shows where"):
        run_job(replace(noop, function=waits), DAY, spark, impatient)
    ((status, error),) = query(OUTCOME, impatient)[1]
    assert status == "failed" and error.startswith("JobStalled: Nothing moved")
    assert "in waits" in (impatient.home / "logs" / "stalled.log").read_text()
    run_job(noop, DAY, spark, impatient)


def test_a_job_whose_spark_task_waits_for_ever_is_ended(spark: SparkSession, impatient: Settings, noop: Job) -> None:
    def waits(lake: Lake, window: Window) -> None:
        lake.spark.sql("SELECT java_method('java.lang.Thread', 'sleep', bigint(20000 + id)) FROM range(1)").collect()

    with pytest.raises(JobFailed, match="Nothing moved for 4 s"):
        run_job(replace(noop, function=waits), DAY, spark, impatient)


def test_a_job_that_works_in_a_program_of_its_own_is_left_alone(
    spark: SparkSession, impatient: Settings, noop: Job
) -> None:
    def works(lake: Lake, window: Window) -> None:
        subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 6: pass"], check=True)

    run_job(replace(noop, function=works), DAY, spark, impatient)
    assert query(OUTCOME, impatient)[1] == [("succeeded", None)]


CANNOT_BE_WOKEN = """
import os, signal, sys, time
from dataclasses import replace
from datetime import date
from pathlib import Path
from jobs.engine import watchdog
from jobs.engine.window import Window
from jobs.engine.lake import Lake
from jobs.pipeline import find
from jobs.engine.runner import run_job
from jobs.engine.tables import JOB_RUNS
from jobs.settings import Settings
from jobs.engine.spark import session
watchdog.GRACE_S = 1.0
settings = Settings(home=Path(sys.argv[1]), spark_memory="512m", spark_master="local[1]", stalled_after_s=4.0)
spark = session(settings)
Lake(spark, settings).create(JOB_RUNS)
def deaf(lake, window):
    os.kill(spark.sparkContext._gateway.proc.pid, signal.SIGSTOP)
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
job = replace(find("events.ingest"), name="sim.noop", function=deaf)
run_job(job, Window.of_day(date(2026, 1, 5)), spark, settings)
"""


@pytest.mark.jvm
def test_a_job_that_cannot_be_woken_is_recorded_and_its_process_ends(settings: Settings) -> None:
    command = [sys.executable, "-c", CANNOT_BE_WOKEN, str(settings.home)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=REPOSITORY)
    assert ended.returncode == 1 and "Nothing moved for 4 s" in ended.stderr
    ((status, error),) = query(OUTCOME, settings)[1]
    assert status == "failed" and error.startswith("JobStalled: ")
