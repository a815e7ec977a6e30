"""Runs a pipeline: its jobs in order, in one Spark session, with progress and an estimate for the person who waits.

Belongs here: the sequence and what is shown of it. One job: runner.py. Which jobs: pipeline.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from jobs.command.console import run as report_run
from jobs.command.console import say, status, terminal
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.pulse import running_stages
from jobs.engine.runner import newest, run_job
from jobs.engine.runs import JobRun, last_seconds
from jobs.engine.window import window_for
from jobs.pipeline import jobs_of
from jobs.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WORTH_SAYING_S = 2.0


def run_pipeline(name: str, on: date | datetime | None, settings: Settings) -> list[JobRun]:
    """Run the jobs of a pipeline for a day, or for the hour or day that holds an instant (jobs/engine/window.py).

    By default for the newest day that has watches, hourly jobs for the newest hour that is over. Jobs that take in what
    has arrived do so whatever the day; daily ones catch up on days they missed. Stops at the first failure with
    JobFailed: what was committed stays, and running the pipeline again completes it.
    """
    from jobs.engine.spark import session

    jobs = jobs_of(name)
    with status("starting Spark"):
        spark = session(settings)
    runs: list[JobRun] = []
    expected = last_seconds(settings)
    with _bar(spark) as bar:
        task = bar.add_task(name, total=len(jobs), left="")
        for number, job in enumerate(jobs):
            bar.update(task, description=job.name, completed=number, left=_left(jobs[number:], expected))
            if on is None and job.every != "5min":
                # The jobs before this one took in the watches by which it is told.
                on = newest(job.every, Lake(spark, settings))
                step = "hour that is over" if job.every == "hour" else "day"
                say(f"for {window_for(job.every, on)}, the newest {step} with watches")
            window = window_for(job.every, on or datetime.now(UTC))
            runs.append(run_job(job, window, spark, settings, catch_up=True))
            report_run(runs[-1])
    return runs


class SparkTasks(ProgressColumn):
    """How far the Spark stages are that run now, their rate and the time left; each clip is a task of its own."""

    def __init__(self, spark: SparkSession) -> None:
        super().__init__()
        self._tracker = spark.sparkContext.statusTracker()
        self._since: dict[int, float] = {}

    def render(self, task: Task) -> Text:
        now = time.monotonic()
        running = running_stages(self._tracker)
        self._since = {info.stageId: self._since.get(info.stageId, now) for info in running}
        done, total = sum(info.numCompletedTasks for info in running), sum(info.numTasks for info in running)
        seconds = now - min(self._since.values(), default=now)
        # Nobody can read what is over in a moment.
        if seconds < WORTH_SAYING_S:
            return Text()
        if not done:
            return Text(f"task 0 of {total}")
        rate = done / seconds
        return Text(f"task {done} of {total}, {rate:.2g}/s, about {(total - done) / rate:.0f} s left")


def _bar(spark: SparkSession) -> Progress:
    columns = (
        SpinnerColumn(),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        SparkTasks(spark),
        TextColumn("{task.fields[left]}"),
    )
    return Progress(*columns, console=terminal, transient=True, refresh_per_second=2)


def _left(jobs: Iterable[Job], expected: dict[str, float]) -> str:
    if not expected:
        return ""
    return f"all: about {sum(expected.get(job.name, 0.0) for job in jobs):.0f} s left, by the last run"
