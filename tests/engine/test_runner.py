"""The runner records every run, lets nothing of a failed one show, and refuses windows that a job cannot do."""

import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from pyspark.sql import SparkSession

from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.query import query
from jobs.engine.runner import JobFailed, run_job
from jobs.engine.tables import JOB_RUNS
from jobs.engine.window import Window, WrongWindow
from jobs.settings import REPOSITORY, Settings

MONDAY = date(2026, 1, 5)


def test_a_run_is_recorded_with_its_window_and_outcome(lake: Lake, recorded_run: object) -> None:
    (row,) = lake.read(JOB_RUNS).collect()
    assert (row["job"], row["status"], row["error"], row["rows"]) == ("sim.noop", "succeeded", None, 0)
    assert (row["window_start"], row["window_end"]) == (datetime(2026, 1, 5), datetime(2026, 1, 6))


def test_a_failed_run_is_recorded_and_names_its_reason(spark: SparkSession, settings: Settings, noop: Job) -> None:
    def fails(lake: Lake, window: Window) -> None:
        lake.read("silver.watches")

    with pytest.raises(JobFailed, match=r"sim\.noop failed for \[2026-01-05.*silver\.watches, which is not there"):
        declared = replace(noop, every="5min", reads=("silver.watches",), function=fails)
        run_job(declared, Window.of_day(MONDAY), spark, settings)
    (row,) = Lake(spark, settings).read(JOB_RUNS).collect()
    assert row["status"] == "failed" and row["error"].startswith("TableMissing: ")


def test_a_warning_is_recorded_and_fails_no_run(spark: SparkSession, settings: Settings, noop: Job) -> None:
    def warns(lake: Lake, window: Window) -> None:
        lake.warnings.append("one clip waits")

    done = run_job(replace(noop, function=warns), Window.of_day(MONDAY), spark, settings)
    (row,) = Lake(spark, settings).read(JOB_RUNS).collect()
    assert (row["status"], row["warnings"], done.warnings) == ("succeeded", ["one clip waits"], ("one clip waits",))


def test_two_runs_of_one_job_take_turns(spark: SparkSession, settings: Settings, noop: Job) -> None:
    at_work, most = [0], [0]

    def slow(lake: Lake, window: Window) -> None:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        time.sleep(0.2)
        at_work[0] -= 1

    job = replace(noop, function=slow)
    threads = [threading.Thread(target=run_job, args=(job, Window.of_day(MONDAY), spark, settings)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert Lake(spark, settings).read(JOB_RUNS).count() == 3


def test_a_nightly_job_never_catches_up(spark: SparkSession, settings: Settings, noop: Job) -> None:
    night = replace(noop, every="night")
    assert run_job(night, Window.of_day(MONDAY), spark, settings, catch_up=True).window == Window.of_day(MONDAY)
    assert not Lake(spark, settings).exists("ops.coverage")


def test_a_job_that_found_nothing_leaves_an_empty_table(spark: SparkSession, settings: Settings, noop: Job) -> None:
    run_job(replace(noop, writes=("silver.watches",)), Window.of_day(MONDAY), spark, settings)
    assert Lake(spark, settings).read("silver.watches").count() == 0


def test_a_night_job_refuses_more_than_its_night(spark: SparkSession, settings: Settings, noop: Job) -> None:
    nightly, days = replace(noop, every="night"), Window.of_days(MONDAY, date(2026, 1, 7))
    with pytest.raises(WrongWindow, match=r"sim\.noop works on one night .*--date 2026-01-07"):
        run_job(nightly, days, spark, settings)
    assert not Lake(spark, settings).exists(JOB_RUNS)
    run_job(noop, days, spark, settings)


def test_a_day_that_is_not_here_yet_is_refused(spark: SparkSession, settings: Settings, noop: Job) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    with pytest.raises(WrongWindow, match=r"sim\.noop cannot run for .* not here yet"):
        run_job(noop, Window.of_day(tomorrow), spark, settings)
    run_job(noop, Window.of_day(datetime.now(UTC).date()), spark, settings)


OUT_OF_MEMORY = """
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from jobs.engine.window import Window
from jobs.pipeline import find
from jobs.engine.runner import run_job
from jobs.settings import Settings
from jobs.engine.spark import session
settings = Settings(home=Path(sys.argv[1]), spark_memory="512m", spark_master="local[1]")
noop = replace(find("events.ingest"), name="sim.noop", function=lambda lake, window: None)
spark = session(settings)
run_job(noop, Window.of_day(date(2026, 1, 5)), spark, settings)
exhaust = lambda lake, window: lake.spark._jvm.java.util.Collections.nCopies(2**30, 0).toArray()
run_job(replace(noop, function=exhaust), Window.of_day(date(2026, 1, 6)), spark, settings)
"""


@pytest.mark.jvm
def test_an_exhausted_heap_ends_the_job_with_a_sentence_and_a_record(settings: Settings) -> None:
    command = [sys.executable, "-c", OUT_OF_MEMORY, str(settings.home)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=REPOSITORY)
    assert ended.returncode == 1
    assert "most likely out of memory: it may use 512m" in ended.stderr
    _, rows = query("SELECT status, error FROM ops.job_runs ORDER BY window_start", settings)
    assert [status for status, _ in rows] == ["succeeded", "failed"]
    assert rows[1][1].startswith("DriverEnded: Spark's driver ended while it ran, most likely out of memory")
