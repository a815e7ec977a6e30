"""Jobs that wait for what arrives run when it has, once, and in order."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.arrivals.landing import land
from jobs.command.watch import NotWatchable, due, look, watch
from jobs.engine.frames import rows_of
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.query import query
from jobs.engine.runner import JobFailed, run_job
from jobs.engine.runs import last
from jobs.engine.window import HOUR, Window, window_for
from jobs.pipeline import find
from jobs.settings import Settings
from tests.airflow import processes_of


def test_a_job_runs_once_and_again_when_its_table_has_changed(
    noop: Job, spark: SparkSession, settings: Settings
) -> None:
    lake = Lake(spark, settings)
    lake.create("bronze.uploads")
    ran: list[Window] = []
    job = replace(
        noop, every="5min", reads=("bronze.uploads",), writes=(), function=lambda _, window: ran.append(window)
    )
    look([job], settings)
    look([job], settings)
    assert len(ran) == 1
    lake.create("bronze.events")
    look([replace(job, reads=("bronze.uploads", "bronze.events"))], settings)
    assert len(ran) == 2


def test_a_job_that_fails_leaves_the_next_its_turn_and_is_tried_again(
    noop: Job, spark: SparkSession, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise JobFailed("the disk is full")

    failing = replace(noop, every="5min", reads=(), writes=(), name="media.ingest", function=fail)
    look([failing, replace(failing, name="media.publish", function=lambda *_: None)], settings)
    assert "the disk is full" in capsys.readouterr().out
    found = last("media.publish", settings)
    assert found is not None and found.status == "succeeded"


def test_an_hourly_job_runs_for_an_hour_that_is_over_once_and_not_while_nothing_arrives(
    noop: Job, spark: SparkSession, settings: Settings
) -> None:
    job = replace(noop, every="hour", reads=("bronze.uploads",), writes=(), function=lambda *_: None)
    lake = Lake(spark, settings)
    lake.create("bronze.uploads")
    now = datetime.now(UTC)
    over = window_for("hour", now - HOUR)
    assert due(job, settings, now) == over
    run_job(job, over, spark, settings)
    # An upload of now: it is of the hour that goes on.
    row: dict[str, object] = {"upload_id": "u", "user_id": "ann", "title": "T", "hashtags": [], "source": "api"}
    lake.merge("bronze.uploads", rows_of(spark, "bronze.uploads", [row | {"uploaded_at": now}]))
    assert due(job, settings, now) is None
    later = due(job, settings, now + HOUR)
    assert later is not None and later.start == over.end
    run_job(job, window_for("hour", now), spark, settings)
    assert due(job, settings, now + 3 * HOUR) is None


def test_a_job_of_days_is_refused_in_a_sentence(settings: Settings) -> None:
    with pytest.raises(NotWatchable, match="features.users works for a window of its own"):
        watch([find("features.users")], 1, settings)


@pytest.mark.slow
def test_a_command_that_is_told_to_end_leaves_no_process_a_record_and_a_lake_that_can_be_read(
    start: Callable[..., "subprocess.Popen[str]"],
    ffmpeg: Callable[..., None],
    settings: Settings,
    tmp_path: Path,
) -> None:
    clip = tmp_path / "clip.mp4"
    # Its ladder takes longer than it takes to see that it is being made.
    draw = "-f lavfi -i testsrc2=size=720x1280:rate=30:duration=20 -pix_fmt yuv420p -preset ultrafast"
    ffmpeg(*draw.split(), clip)
    land([clip], landing=settings.landing, user_id="ann", uploaded_at=datetime.now(UTC))
    with start(settings.home, "watch", "media.ingest", "media.publish") as process:
        while not any((settings.media / ".work").glob("*/*")) and process.poll() is None:
            time.sleep(0.1)
        told = time.monotonic()
        process.terminate()
        said, _ = process.communicate()
    assert (process.returncode, said.splitlines()[-1]) == (143, "stopped by SIGTERM"), said
    # A busy machine needs longer than the seconds that it takes.
    assert time.monotonic() - told < 60
    while left := processes_of(settings):
        assert time.monotonic() - told < 70, left
        time.sleep(0.1)
    found = last("media.publish", settings)
    assert found is not None and (found.status, found.error) == ("failed", "Stopped: told to end by SIGTERM")
    assert query("SELECT count(*) FROM bronze.uploads", settings)[1] == [(1,)]
