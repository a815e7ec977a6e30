"""What a person sees who waits for a pipeline."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pyspark.sql import SparkSession
from rich.progress import Progress

import data_contracts
from jobs.command import progress
from jobs.engine.frames import rows_of
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.runner import newest
from jobs.engine.window import window_for
from jobs.pipeline import JOBS, jobs_of


def test_long_stages_tell_their_tasks_rate_and_time_left(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "WORTH_SAYING_S", 0.5)
    column = progress.SparkTasks(spark)
    bar = Progress(column)
    bar.add_task("clips")
    (task,) = bar.tasks

    def slow() -> int:
        return spark.sparkContext.parallelize(range(8), 8).map(lambda _: time.sleep(0.5)).count()

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(slow)
        told = []
        while not work.done():
            told.append(column.render(task).plain)
            time.sleep(0.1)
        assert work.result() == 8
    assert told[0] == ""
    last = next(filter(None, reversed(told)))
    assert re.fullmatch(r"task [1-8] of 8, \d[\d.e-]*/s, about \d+ s left", last), told


@pytest.mark.parametrize(
    ("on", "window"),
    [
        (datetime(2026, 1, 5, 9, 30, tzinfo=UTC), "[2026-01-05T09:00, 2026-01-05T10:00)"),
        (None, "[2026-01-05T10:00, 2026-01-05T11:00)"),
    ],
)
def test_an_hourly_job_gets_the_hour_asked_for_or_the_newest_that_has_watches_and_is_over(
    lake: Lake, noop: Job, monkeypatch: pytest.MonkeyPatch, on: datetime | None, window: str
) -> None:
    for name in [job.name for job in jobs_of("hourly")]:
        monkeypatch.delitem(JOBS, name)
    monkeypatch.setitem(JOBS, "sim.noop", replace(noop, every="hour"))
    watched(lake, datetime(2026, 1, 5, 10, 59, tzinfo=UTC))
    (run,) = progress.run_pipeline("hourly", on, lake.settings)
    assert str(run.window) == window


def test_an_hour_that_goes_on_is_not_what_an_hourly_run_is_for_unless_asked(lake: Lake) -> None:
    now = datetime.now(UTC)
    watched(lake, now)
    assert window_for("day", newest("day", lake)) == window_for("day", now)
    over = window_for("hour", newest("hour", lake)).end
    assert over in (window_for("hour", now).start, window_for("hour", datetime.now(UTC)).start)


def watched(lake: Lake, started_at: datetime) -> None:
    some = {"string": "x", "boolean": False, "bigint": 1, "double": 0.5, "timestamp": started_at}
    columns = data_contracts.load("silver.watches").columns
    row = {column.name: some[column.type] for column in columns if column.required}
    lake.insert_new("silver.watches", rows_of(lake.spark, "silver.watches", [row]))
