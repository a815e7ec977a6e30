"""After somebody was forgotten, streams go on where they were, and daily jobs owe the days that they were part of."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from jobs.engine import coverage
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.runner import run_job
from jobs.engine.window import Window
from jobs.events import ingest, watches
from jobs.media.publish import VIDEOS
from jobs.ops.forget import forget
from jobs.pipeline import JOBS
from tests.contracted import put

DAYS = Window(datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 4, tzinfo=UTC))
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def watch(lake: Lake, *views: tuple[str, int]) -> list[tuple[str, int]]:
    """Views (who, on which day) through the spool; returns all watches as a run that begins now sees them."""
    lake.settings.spool.mkdir(parents=True, exist_ok=True)
    for user_id, day in views:
        view = {"event_id": f"{day}", "user_id": user_id, "video_id": "v", "event_type": "view", "watch_ms": 900}
        times = {"event_at": f"2024-03-0{day}T10:00:00Z", "received_at": f"2024-03-0{day}T10:00:05Z"}
        (lake.settings.spool / f"{user_id}-{day}.jsonl").write_text(json.dumps(view | times) + "\n")
    for job in (ingest.run, watches.run):
        job(Lake(lake.spark, lake.settings), DAYS)
    rows = Lake(lake.spark, lake.settings).read("silver.watches").collect()
    return sorted((row.user_id, row.started_at.day) for row in rows)


def owed(job: Job, lake: Lake) -> date | None:
    return coverage.debt(job, Lake(lake.spark, lake.settings, job=job)).since


def test_streams_go_on_and_daily_jobs_owe_the_days_of_who_was_forgotten(lake: Lake, noop: Job) -> None:
    put(lake.settings, VIDEOS, {"video_id": "v", "user_id": "cyd", "status": "published", "duration_ms": 1000})
    assert watch(lake, ("ben", 1), ("ann", 2)) == [("ann", 2), ("ben", 1)]
    daily = replace(noop, reads=("silver.watches",))
    run_job(daily, DAYS, lake.spark, lake.settings)
    assert owed(daily, lake) == date(2024, 3, 4)
    forget("ann", JOBS.values(), lake.settings)
    assert owed(daily, lake) == date(2024, 3, 2)
    forget("nobody", JOBS.values(), lake.settings, at_once=True)
    # Without older versions nobody can tell which days differ.
    assert owed(daily, lake) == date(2024, 3, 1)
    assert watch(lake, ("ben", 3)) == [("ben", 1), ("ben", 3)]
    # It has read all, nothing goes, and so no version comes that it would be moved on for.
    forget("nobody", JOBS.values(), lake.settings, at_once=True)
    assert watch(lake) == [("ben", 1), ("ben", 3)]
