"""Jobs that wait for what arrives run when it has, once, and in order."""

from dataclasses import replace

import pytest
from pyspark.sql import SparkSession

from jobs.command.watch import NotWatchable, look, watch
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.runner import JobFailed
from jobs.engine.runs import last
from jobs.engine.window import Window
from jobs.pipeline import find
from jobs.settings import Settings


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


def test_a_job_of_days_is_refused_in_a_sentence(settings: Settings) -> None:
    with pytest.raises(NotWatchable, match="features.users works for a window of its own"):
        watch([find("features.users")], 1, settings)
