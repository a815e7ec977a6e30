"""What an orchestrator writes into the arguments becomes the window of the job."""

import shlex
from dataclasses import replace
from datetime import date

import pytest
from pyspark.sql import SparkSession

from jobs import submit
from jobs.engine.job import Job
from jobs.engine.query import query
from jobs.engine.runner import JobFailed
from jobs.engine.window import NotATime, Window, WrongWindow
from jobs.pipeline import JOBS
from jobs.settings import Settings


@pytest.mark.parametrize(
    ("arguments", "window"),
    [
        ("--date 2026-01-18T09:02:00+00:00", "[2026-01-18T09:00, 2026-01-18T10:00)"),
        ("--date 2026-01-18", "[2026-01-18T00:00, 2026-01-19T00:00)"),
        ("--start 2026-01-18T09:00Z --end 2026-01-18T12:00Z", "[2026-01-18T09:00, 2026-01-18T12:00)"),
    ],
)
def test_an_hourly_job_gets_its_hour_a_day_or_what_was_asked_for(
    noop: Job, monkeypatch: pytest.MonkeyPatch, arguments: str, window: str
) -> None:
    monkeypatch.setitem(JOBS, "sim.noop", replace(noop, every="hour"))
    request = submit.asked(["--job", "sim.noop", *arguments.split()])
    assert (request.job.name, str(request.window), request.run_id) == ("sim.noop", window, None)


def test_jobs_are_idle_together_or_each_says_for_itself(
    spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELMILL_HOME", str(settings.home))
    day = ["--date", "2026-01-05"]
    jobs = ["media.ingest", "events.ingest"]
    submit.run(submit.asked(["--job", "media.ingest", *day]), spark, settings)
    assert submit.all_idle(jobs, day) == []
    submit.run(submit.asked(["--job", "events.ingest", *day]), spark, settings)
    assert [reason.split(" since ")[0] for reason in submit.all_idle(jobs, day)] == [
        "Nothing has arrived for media.ingest",
        "Nothing has arrived for events.ingest",
    ]


def test_without_a_window_or_with_half_an_instant_nothing_starts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        submit.asked(["--job", "features.users"])
    assert "it needs --date, or --start and --end" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        submit.main([])
    assert "required: --job" in capsys.readouterr().err
    with pytest.raises(NotATime, match="no time zone"):
        submit.asked(["--job", "features.users", "--date", "2026-01-18T09:00"])
    with pytest.raises(WrongWindow, match="not here yet"):
        submit.asked(["--job", "features.users", "--date", "2999-01-18"])


def test_a_run_that_misses_a_table_names_the_job_that_writes_it_and_another_run_what_it_set_aside(
    spark: SparkSession, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    day = Window.of_day(date(2026, 1, 5))
    with pytest.raises(JobFailed, match=r"silver.watches, which is not there.*That is events.watches: clear it first"):
        submit.run(submit.Asked(JOBS["features.users"], day, "r1"), spark, settings)
    settings.events.mkdir(parents=True)
    (settings.events / "a.jsonl").write_text("no event\n")
    submit.run(submit.Asked(JOBS["events.ingest"], day, "r2"), spark, settings)
    *_, aside, shown = capsys.readouterr().out.strip().splitlines()
    assert aside == "Set aside of bronze.events: 1 by line_is_an_event. To look at them:"
    program, command, sql = shlex.split(shown)
    assert (program, command) == ("reelmill", "query")
    ((rules, row),) = query(sql, settings)[1]
    assert rules == ["line_is_an_event"] and "no event" in row
