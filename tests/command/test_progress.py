"""What a person sees who waits for a pipeline."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyspark.sql import SparkSession
from rich.progress import Progress

from jobs.command import progress


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
