"""Runs five-minute and hourly jobs for as long as the process lives, each when something has arrived for it.

Belongs here: the loop, for a machine or a container that does one kind of work and has no orchestrator: the media
workers of docker-compose.yml, which have no network. When jobs run elsewhere: dags/.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from jobs.command.console import run as report_run
from jobs.command.console import say
from jobs.engine import runs
from jobs.engine.idle import idle_since
from jobs.engine.job import Job
from jobs.engine.runner import JobFailed, run_job
from jobs.engine.spark import session
from jobs.engine.window import HOUR, Window, window_for
from jobs.errors import ReelmillError
from jobs.settings import Settings


class NotWatchable(ReelmillError):
    """A job works for a day, and not on what has arrived."""


def watch(jobs: Sequence[Job], every_s: float, settings: Settings) -> None:
    """Look every so many seconds, until the process is ended. Raises NotWatchable."""
    for job in jobs:
        if job.every not in ("5min", "hour"):
            raise NotWatchable(f"{job.name} works for a window of its own ({job.every}); run it by `reelmill run`.")
    say(f"watching for {', '.join(job.name for job in jobs)}, every {every_s:g} s")
    while True:
        look(jobs, settings)
        time.sleep(every_s)


def look(jobs: Sequence[Job], settings: Settings) -> None:
    """Run those for which something has arrived, in order. One that fails is tried again at the next look."""
    for job in jobs:
        window = due(job, settings, datetime.now(UTC))
        if window is None:
            continue
        try:
            report_run(run_job(job, window, session(settings), settings, catch_up=True))
        except JobFailed as failure:
            say(str(failure))


def due(job: Job, settings: Settings, now: datetime) -> Window | None:
    """The window to run the job for; None while nothing has arrived for it, and of an hour that is done."""
    if idle_since(job, settings, now) is not None:
        return None
    if job.every == "5min":
        return window_for(job.every, now)
    over = window_for(job.every, now - HOUR)
    last = runs.last(job.name, settings)
    # What has arrived since belongs to the hour that goes on, or is late and waits for its end.
    is_done = last is not None and last.status == "succeeded" and last.window_end >= over.end
    return None if is_done else over
