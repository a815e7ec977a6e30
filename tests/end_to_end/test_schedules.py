"""Whenever events arrive, nights run and files are put together, the tables end as after one run over everything.

Each time it draws another schedule, since a fixed one would stop finding anything; a failure names its seed.
"""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.engine import upkeep
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.runner import run_job
from jobs.engine.tables import Tables
from jobs.engine.window import Window
from jobs.pipeline import JOBS
from jobs.settings import Settings

# PySpark leaves the socket of every collect() to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
DAYS = 12
DAILY = [job for job in JOBS.values() if job.every == "day"]
EVENTS = 150
KINDS = ["impression", "view", "view", "view", "like", "share", "skip"]


class Home:
    """A home into which events arrive, and whose nights a scheduler runs."""

    def __init__(self, path: Path, spark: SparkSession) -> None:
        self.settings = Settings(home=path)
        self.spark = spark
        self.files = 0

    def videos(self, **hashtags: str) -> None:
        """Publish them, or give them another hashtag."""
        rows = ", ".join(f"('{video}', '{hashtag}')" for video, hashtag in hashtags.items())
        Lake(self.spark, self.settings).merge("silver.videos", self.spark.sql(
            "SELECT id AS video_id, 'bob' AS user_id, 'T' AS title, array(hashtag) AS hashtags, "
            "CAST(NULL AS array<timestamp>) AS hashtags_at, 10000L AS duration_ms, "
            "1 AS width, 1 AS height, true AS has_audio, 'published' AS status, CAST(NULL AS STRING) AS reason, "
            "TIMESTAMP '2024-01-01' AS published_at, CAST(NULL AS STRING) AS media_hash, CAST(NULL AS STRING) AS "
            f"playback_path, CAST(NULL AS STRING) AS poster_path, CAST(NULL AS STRING) AS start_path, "
            f"CAST(NULL AS array<bigint>) AS start_bytes, 'api' AS source FROM VALUES {rows} AS t(id, hashtag)"
        ))  # fmt: skip

    def ingest(self, events: list[dict[str, object]]) -> None:
        """Take in what the endpoint wrote, by the jobs that run every five minutes."""
        self.files += 1
        self.settings.events.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(event) + "\n" for event in events)
        (self.settings.events / f"{self.files}.jsonl").write_text(lines)
        for name in ("events.ingest", "events.watches"):
            self.run(JOBS[name], 0, 0)

    def tend(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the files of all tables together, however few there are."""
        monkeypatch.setattr(upkeep, "LOOSE_FILES", 2)
        for table in Tables.of(self.settings).names():
            upkeep.tend(table, self.settings)

    def night(self, jobs: list[Job], day: int) -> None:
        """Daily jobs for a day, counted from FIRST, as a scheduler runs them."""
        for job in jobs:
            self.run(job, day, day, catch_up=True)

    def run(self, job: Job, first: int, last: int, *, catch_up: bool = False) -> None:
        """One job for days, counted from FIRST; by itself it is a backfill."""
        window = Window.of_days(FIRST.date() + timedelta(days=first), FIRST.date() + timedelta(days=last))
        run_job(job, window, self.spark, self.settings, catch_up=catch_up)


def drawn_event(chance: random.Random, number: int) -> dict[str, object]:
    kind = chance.choice(KINDS)
    at = FIRST + timedelta(minutes=chance.randrange(DAYS * 24 * 60))
    return {
        "event_id": str(number),
        "event_type": kind,
        "user_id": chance.choice(["ann", "ben", "eve"]),
        "video_id": chance.choice(["cats", "dogs"]),
        "event_at": at.isoformat(),
        "received_at": at.isoformat(),
        "watch_ms": chance.randrange(12_000) if kind == "view" else None,
    }


def test_any_schedule_ends_as_one_run_over_everything(
    tmp_path: Path,
    spark: SparkSession,
    content: Callable[[Path], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    events = [drawn_event(chance, number) for number in range(EVENTS)]
    arrives = [
        datetime.fromisoformat(str(event["event_at"])) + timedelta(days=chance.choice([0, 0, 2])) for event in events
    ]
    # Each run costs seconds, and the next schedule draws others.
    jobs = chance.sample(DAILY, 1)
    # One night at noon, of a day that goes on, or at 02:00, of the day before; the other when all days are over.
    day, hour = chance.randrange(1, DAYS - 1), chance.choice([2, 12])
    now = FIRST + timedelta(days=day, hours=hour)

    lived = Home(tmp_path / "lived", spark)
    # The other video is published later, or gets another hashtag.
    lived.videos(cats="pets", **chance.choice([{}, {"dogs": "pets"}]))
    lived.ingest([event for event, at in zip(events, arrives, strict=True) if at < now])
    lived.night(jobs, day if hour == 12 else day - 1)
    lived.tend(monkeypatch)
    lived.videos(dogs="dogs")
    lived.ingest([event for event, at in zip(events, arrives, strict=True) if at >= now])
    first, last = sorted(chance.choices(range(DAYS), k=2))
    backfilled = chance.choice(jobs)
    lived.run(backfilled, first, last)
    lived.night(jobs, DAYS - 1)

    at_once = Home(tmp_path / "at once", spark)
    at_once.videos(cats="pets", dogs="dogs")
    at_once.ingest(events)
    at_once.night(jobs, DAYS - 1)

    def tables(home: Home) -> dict[str, str]:
        return {t: rows for t, rows in content(home.settings.home).items() if t.startswith(("silver.", "gold."))}

    assert set(tables(lived)) >= {"silver.watches", *(table for job in jobs for table in job.writes)}
    drawn = f"seed {seed}: a night at {now}, then {backfilled.name} alone for the days {first} to {last}"
    assert tables(lived) == tables(at_once), drawn
