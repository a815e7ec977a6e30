"""A five-minute or hourly job is spared its run when nothing that it takes in has changed, and never otherwise."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from pyspark.sql import SparkSession

from jobs.engine import idle, runs
from jobs.engine.frames import rows_of
from jobs.engine.job import Job, Sought
from jobs.engine.lake import Lake
from jobs.engine.runner import JobFailed, run_job
from jobs.engine.tables import Tables
from jobs.engine.window import HOUR, Window, window_for
from jobs.events import ingest as events
from jobs.media import ingest as media
from jobs.settings import Settings

WINDOW = Window.of_day(date(2026, 1, 5))
Take = Callable[..., Job]


@pytest.fixture
def take(noop: Job, spark: SparkSession, settings: Settings) -> Take:
    """Runs a job that reads bronze.uploads and writes silver.renditions, with these changes to it."""
    Lake(spark, settings).create("bronze.uploads")
    declared = replace(noop, every="5min", reads=("bronze.uploads",), writes=("silver.renditions",))

    def run(window: Window = WINDOW, **changes: object) -> Job:
        job = replace(declared, **changes)  # type: ignore[arg-type]
        run_job(job, window, spark, settings)
        return job

    return run


def spared(job: Job, settings: Settings, later: timedelta = timedelta(minutes=5)) -> str | None:
    return idle.nothing_new(job, WINDOW, settings, datetime.now(UTC) + later)


def an_upload(lake: Lake, upload_id: str = "u", source: str = "api") -> None:
    row: dict[str, object] = {"upload_id": upload_id, "user_id": "ann", "title": "T", "hashtags": [], "source": source}
    row |= {"uploaded_at": datetime(2026, 1, 5, tzinfo=UTC)}
    assert lake.merge("bronze.uploads", rows_of(lake.spark, "bronze.uploads", [row]))


def test_a_job_that_would_find_what_it_found_is_spared_and_that_is_recorded(
    take: Take, lake: Lake, settings: Settings
) -> None:
    job = take()
    before = runs.newest(settings)[job.name][1]
    reason = spared(job, settings)
    assert reason is not None and f"since its run of {before.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" in reason
    status, after, seconds = runs.newest(settings)[job.name]
    assert status == "succeeded" and after > before and seconds == 0
    assert spared(job, settings, timedelta(minutes=10)) is not None
    an_upload(lake)
    assert spared(job, settings, timedelta(minutes=15)) is None


def test_one_that_seeks_certain_rows_is_spared_while_no_new_file_can_have_any(
    take: Take, lake: Lake, settings: Settings
) -> None:
    an_upload(lake, "a", source="sim")
    job = take(seeks=(Sought("bronze.uploads", "source", "sim"),))
    an_upload(lake, "b", source="api")
    assert spared(job, settings, timedelta(minutes=10)) is not None
    assert spared(replace(job, seeks=()), settings, timedelta(minutes=15)) is None
    an_upload(lake, "c", source="sim")
    assert spared(job, settings, timedelta(minutes=20)) is None


def test_one_that_never_ran_runs(take: Take, settings: Settings) -> None:
    assert spared(replace(take(), name="sim.other"), settings) is None


def test_one_whose_window_matters_runs(take: Take, settings: Settings) -> None:
    assert spared(take(every="day"), settings) is None


def test_an_hourly_one_is_spared_once_it_has_come_as_far_as_its_input(
    take: Take, lake: Lake, settings: Settings
) -> None:
    an_upload(lake)  # in the first hour of the day
    hour = window_for("hour", datetime(2026, 1, 5, tzinfo=UTC))
    before = Window(hour.start - HOUR, hour.start)
    # It found the upload, which is of an hour that its window did not have.
    assert spared(take(before, every="hour"), settings) is None
    assert spared(take(hour, every="hour"), settings) is not None


def test_what_came_while_it_ran_is_for_the_next_run(take: Take, settings: Settings) -> None:
    assert spared(take(function=lambda lake, window: an_upload(Lake(lake.spark, settings))), settings) is None


def test_what_it_wrote_itself_is_nothing_new(take: Take, settings: Settings) -> None:
    job = take(writes=("bronze.uploads",), function=lambda lake, window: an_upload(lake))
    assert spared(job, settings) is not None


def test_it_runs_again_after_a_warning(take: Take, settings: Settings) -> None:
    assert spared(take(function=lambda lake, window: lake.warnings.append("a clip waits")), settings) is None


def test_it_runs_again_after_a_failure(take: Take, settings: Settings) -> None:
    def fails(lake: Lake, window: Window) -> None:
        raise ValueError

    job = take()
    with pytest.raises(JobFailed):
        take(function=fails)
    assert spared(job, settings) is None


def test_it_runs_once_a_day_and_when_a_table_of_its_own_is_gone(take: Take, settings: Settings) -> None:
    job = take()
    # Being asked, and spared, is not to run.
    assert [spared(job, settings, timedelta(hours=hours)) is None for hours in (8, 16, 25)] == [False, False, True]
    log = settings.lake / "silver" / "renditions" / "_delta_log"
    log.rename(log.with_name("gone"))
    assert not Tables.of(settings).is_there("silver.renditions")
    assert spared(job, settings) is None


def test_it_runs_when_something_has_come_from_outside(take: Take, settings: Settings) -> None:
    job = take()
    began = runs.newest(settings)[job.name][1]
    asked: list[datetime] = []

    def arrived(_: Settings, since: datetime) -> bool:
        asked.append(since)
        return True

    assert spared(replace(job, arrived=arrived), settings) is None
    assert asked == [began]


def test_an_event_in_the_spool_has_arrived_once_its_file_is_complete(settings: Settings) -> None:
    assert not events.arrived(settings, datetime.now(UTC))
    settings.events.mkdir(parents=True)
    unfinished = settings.events / ".being-written.jsonl"
    unfinished.write_text("{}\n")
    assert not events.arrived(settings, datetime.now(UTC))
    unfinished.rename(settings.events / "done.jsonl")
    assert events.arrived(settings, datetime.now(UTC))


def test_a_manifest_has_arrived_since_then_however_old_it_says_it_is(settings: Settings) -> None:
    manifests = settings.landing / "manifests"
    assert not media.arrived(settings, datetime.now(UTC))
    manifests.mkdir(parents=True)
    since = datetime.now(UTC) + timedelta(minutes=1)
    assert not media.arrived(settings, since)
    old = settings.landing / "old.jsonl"
    old.write_text("{}\n")
    os.utime(old, (0, 0))
    old.rename(manifests / "old.jsonl")
    assert media.arrived(settings, datetime.now(UTC))
