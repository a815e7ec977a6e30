"""The record of runs says who ran when, for which window and with what outcome, and lies in few files."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from pyspark.sql import SparkSession

from jobs.engine import runs, upkeep
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.query import query
from jobs.engine.runner import JobFailed, run_job
from jobs.engine.runs import JobRun, has_run, last_seconds, newest, succeeded_between
from jobs.engine.tables import JOB_RUNS, Tables
from jobs.engine.window import Window
from jobs.errors import ReelmillError
from jobs.settings import Settings
from tests.contracted import put

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


def test_a_run_whose_process_was_killed_is_written_down_by_whoever_saw_that_but_not_twice(
    settings: Settings, recorded_run: JobRun
) -> None:
    killed, started, window = ReelmillError("It was killed."), datetime.now(UTC), Window.of_day(TUESDAY)
    for run_id in (recorded_run.run_id, "lost", "lost"):
        runs.record_killed("sim.noop", window, run_id, killed, settings, started)
    lost = [run for run in runs.attempts(settings)["sim.noop"] if run.error]
    assert [(run.run_id, run.window, run.error) for run in lost] == [("lost", window, "ReelmillError: It was killed.")]
    assert newest(settings)["sim.noop"][0] == "failed"


def test_where_nothing_was_ever_recorded_a_killed_run_is_not_either(settings: Settings) -> None:
    runs.record_killed("sim.noop", Window.of_day(MONDAY), "lost", ReelmillError(), settings, datetime.now(UTC))
    assert runs.attempts(settings) == {}


def test_the_record_is_asked_as_before_when_rows_of_it_have_expired(settings: Settings) -> None:
    for day, names in ((1, "ac"), (200, "bd")):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        run = {"started_at": at, "window_start": at, "window_end": at, "seconds": 1, "status": "succeeded", "found": []}
        put(settings, JOB_RUNS, *({**run, "job": name, "run_id": name} for name in (*names, "b")))
    Tables.of(settings).open(JOB_RUNS).delete("job = 'a'")
    found = runs.last("c", settings)
    assert found is not None and found.status == "succeeded"
    assert runs.outcome("a", settings) is None


def test_the_records_of_many_runs_lie_in_few_files(
    spark: SparkSession, settings: Settings, noop: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "EVERY_RECORD", 3)
    monkeypatch.setattr(upkeep, "LOOSE_FILES", 2)
    for _ in range(9):
        run_job(noop, Window.of_day(MONDAY), spark, settings)
        assert len(Tables.of(settings).open(JOB_RUNS).file_uris()) <= 4
    _, rows = query("SELECT count(*), count(DISTINCT run_id) FROM ops.job_runs", settings)
    assert rows == [(9, 9)]
    assert Lake(spark, settings).read(JOB_RUNS).count() == 9
