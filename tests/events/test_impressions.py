"""Impressions: what followed each, or that nothing did, however late and in whichever order it comes."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.events import impressions
from jobs.events.watches import EVENTS

# PySpark leaves the socket of every collect() to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
DAY = Window.of_day(date(2024, 3, 1))
NEXT = Window.of_day(date(2024, 3, 2))


def event(kind: str, hours: float, video: str = "cats", **more: Any) -> dict[str, Any]:
    """Something ann did with a video, so many hours after noon."""
    at = NOON + timedelta(hours=hours)
    row = {"event_id": f"{kind} {video} {hours}", "user_id": "ann", "video_id": video, "event_type": kind}
    return {**row, "event_at": at, "received_at": at, "watch_ms": 9 if kind == "view" else None, **more}


def frame(spark: SparkSession, *events: dict[str, Any]) -> DataFrame:
    return rows_of(spark, EVENTS, events)


def made(rows: DataFrame) -> list[tuple[Any, ...]]:
    """Video, slot, and in hours after noon when it was shown, viewed, skipped and refused."""

    def hours(at: datetime | None) -> float | None:
        return None if at is None else (at.replace(tzinfo=UTC) - NOON) / timedelta(hours=1)

    def told(row: Row) -> tuple[Any, ...]:
        times = (row.shown_at, row.started_at, row.skipped_at, row.not_interested_at)
        return (row.video_id, row.position, *map(hours, times))

    return sorted(map(told, rows.collect()), key=lambda row: (row[0], row[2]))


def test_what_was_shown_is_followed_by_a_view_a_reaction_without_one_or_nothing(spark: SparkSession) -> None:
    events = [
        event("impression", 0, position=3, feed_version="v"), event("view", 0), event("skip", 1),
        event("impression", 2, position=0), event("not_interested", 3), event("view", 4),
        event("impression", 0, "dogs"), event("skip", 25, "dogs"), event("view", 0, "never shown"),
    ]  # fmt: skip
    assert made(impressions.impressions(frame(spark, *events), Window(DAY.start, NEXT.end))) == [
        ("cats", 3, 0, 0, None, None),
        ("cats", 0, 2, 4, None, 3),
        ("dogs", None, 0, None, None, None),
    ]


def test_a_day_also_says_what_followed_on_it_of_the_day_before(lake: Lake) -> None:
    lake.insert_new(EVENTS, frame(lake.spark, event("impression", 11)))
    impressions.run(lake, DAY)
    lake.insert_new(EVENTS, frame(lake.spark, event("view", 13), event("impression", 14, "dogs")))
    impressions.run(lake, NEXT)
    rows = made(lake.read(impressions.IMPRESSIONS))
    assert rows == [("cats", None, 11, 13, None, None), ("dogs", None, 14, None, None, None)]
    impressions.run(lake, NEXT)
    assert made(lake.read(impressions.IMPRESSIONS)) == rows
