"""The record of runs says who ran when, for which window and with what outcome, and lies in few files."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from pyspark.sql import SparkSession

from jobs.engine import runs
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.query import query
from jobs.engine.runner import JobFailed, run_job
from jobs.engine.runs import JOB_RUNS, JobRun, has_run, last_seconds, newest, succeeded_between
from jobs.engine.tables import Tables
from jobs.engine.window import Window
from jobs.settings import Settings

MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)
BEFORE, NEVER = datetime(2026, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def test_before_the_first_run_nobody_has_run(settings: Settings) -> None:
    assert not has_run("sim.noop", Window.of_day(MONDAY), settings)
    assert (newest(settings), last_seconds(settings), succeeded_between(BEFORE, NEVER, settings)) == ({}, {}, [])


def test_a_run_is_found_by_its_job_its_window_and_its_end(settings: Settings, recorded_run: JobRun) -> None:
    assert has_run("sim.noop", recorded_run.window, settings)
    assert not has_run("sim.noop", Window.of_day(TUESDAY), settings)
    assert not has_run("sim.other", recorded_run.window, settings)
    ((ended_at, run),) = succeeded_between(BEFORE, NEVER, settings)
    assert run == replace(recorded_run, seconds=run.seconds)
    assert succeeded_between(ended_at, NEVER, settings) == []


def test_a_run_that_failed_is_the_newest_and_no_success(
    spark: SparkSession, settings: Settings, noop: Job, recorded_run: JobRun
) -> None:
    def fails(lake: Lake, window: Window) -> None:
        raise ValueError

    with pytest.raises(JobFailed):
        run_job(replace(noop, function=fails), Window.of_day(TUESDAY), spark, settings)
    assert newest(settings)["sim.noop"][0] == "failed"
    assert not has_run("sim.noop", Window.of_day(TUESDAY), settings)
    assert last_seconds(settings) == {"sim.noop": round(recorded_run.seconds, 3)}


def test_the_records_of_many_runs_lie_in_few_files(
    spark: SparkSession, settings: Settings, noop: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "LOOSE_FILES", 3)
    for _ in range(9):
        run_job(noop, Window.of_day(MONDAY), spark, settings)
        assert len(Tables.of(settings).open(JOB_RUNS).file_uris()) <= 3
    _, rows = query("SELECT count(*), count(DISTINCT run_id) FROM ops.job_runs", settings)
    assert rows == [(9, 9)]
    assert Lake(spark, settings).read(JOB_RUNS).count() == 9
