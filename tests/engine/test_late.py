"""A table is late when its job has not ended well for longer than its contract promises, and a run is named for it."""

import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from pyspark.sql import SparkSession

from jobs.engine import late, runs
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.runs import JobRun
from jobs.engine.tables import JOB_RUNS
from jobs.engine.window import Window
from jobs.settings import Settings

NOW = datetime(2026, 1, 20, 9, tzinfo=UTC)
HOURS, MINUTES = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def jobs(noop: Job) -> list[Job]:
    """Events become watches every five minutes, and watches a feature every day."""
    return [
        replace(noop, name="events", every="5min", reads=(), writes=("bronze.events",)),
        replace(noop, name="watches", every="5min", reads=("bronze.events",), writes=("silver.watches",)),
        replace(noop, name="users", every="day", reads=("silver.watches",), writes=("gold.user_daily",)),
    ]


@pytest.fixture
def ran(lake: Lake) -> "Ran":
    lake.create(JOB_RUNS)
    return Ran(lake)


class Ran:
    """Writes down runs that ended so long before NOW."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def __call__(self, job: str, ago: timedelta, error: str | None = None, day: date = date(2026, 1, 19)) -> str:
        run = JobRun(str(uuid.uuid4()), job, Window.of_day(day), 0.0, (), 0, ())
        runs.record(run, self.lake, NOW - ago, ValueError(error) if error else None)
        return run.run_id

    def all_well(self) -> None:
        self("events", 1 * MINUTES)
        self("watches", 1 * MINUTES)
        self("users", 7 * HOURS)


def tables(jobs: list[Job], settings: Settings) -> list[str]:
    return [one.table for one in late.late(jobs, settings, NOW)]


def test_while_all_ran_as_often_as_they_promise_nothing_is_late(jobs: list[Job], ran: Ran, settings: Settings) -> None:
    ran.all_well()
    assert tables(jobs, settings) == []


def test_before_the_first_run_nothing_can_be_told(jobs: list[Job], settings: Settings) -> None:
    with pytest.raises(late.NothingRan, match="reelmill pipeline nightly"):
        late.late(jobs, settings, NOW)


def test_a_late_table_names_the_run_that_failed_and_the_first_late_table_upstream(
    jobs: list[Job], ran: Ran, settings: Settings
) -> None:
    ran("events", 30 * HOURS)
    ran("watches", 30 * HOURS)
    ran("users", 31 * HOURS)
    failed = ran("events", 29 * HOURS, error="The disk is full.")
    events, watches, users = late.late(jobs, settings, NOW)
    assert str(events) == (
        "bronze.events is late since 2026-01-19 03:10 UTC (it promises 5 min). "
        f"The run {failed} of events for [2026-01-19T00:00, 2026-01-20T00:00) failed at 2026-01-19 04:00 UTC: "
        "ValueError: The disk is full. Nothing upstream of it is late."
    )
    assert (watches.first, users.first) == ("bronze.events", "bronze.events")
    assert users.cause.startswith("users has not ended since its run ") and "2026-01-19 02:00 UTC" in users.cause


def test_a_table_that_was_never_made_is_late_and_one_that_was_mended_is_not(
    jobs: list[Job], ran: Ran, settings: Settings
) -> None:
    ran("events", 2 * HOURS, error="The disk is full.")
    ran("events", 1 * MINUTES)
    ran("watches", 1 * MINUTES)
    (users,) = late.late(jobs, settings, NOW)
    assert "is late and was never made (it promises 1 d). users has never run." in str(users)


def test_a_backfill_of_old_days_makes_no_day_fresh_but_what_arrives_is_taken_in_by_any_run(
    jobs: list[Job], ran: Ran, settings: Settings
) -> None:
    ran.all_well()
    ran("users", 31 * HOURS, day=date(2026, 1, 20))
    ran("users", 1 * HOURS, day=date(2026, 1, 5))
    ran("events", 0 * HOURS, day=date(2026, 1, 5))
    assert tables(jobs, settings) == ["gold.user_daily"]


def test_what_is_late_is_written_down(jobs: list[Job], ran: Ran, settings: Settings, spark: SparkSession) -> None:
    ran("events", 1 * HOURS)
    for one in late.late(jobs, settings, NOW):
        late.write_down(one, settings)
    lines = (settings.home / "logs" / "late.log").read_text().splitlines()
    assert len(lines) == 3 and " UTC bronze.events is late since 2026-01-20 08:10 UTC" in lines[0]
