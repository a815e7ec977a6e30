"""What followed on drawn slots: seen ones only, each once, graded when nothing follows any more; late news counts."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

import data_contracts
from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.feeds import rewards
from jobs.feeds.rewards import LATE, SETTLED, explorations, settled
from serving.feed_store.layout import version_of

NIGHT = date(2024, 3, 7)
VERSION = version_of(NIGHT, "m")
SEEN = datetime(2024, 3, 9, 12, tzinfo=UTC)
DAYS = Window.of_day(SEEN.date())
# The night by whose end all that follows on what was seen on that day has happened.
LATER = Window.of_day(SEEN.date() + SETTLED)


def slot(user: str, position: int, video: str, propensity: float | None, night: date = NIGHT) -> dict[str, Any]:
    of = {"user_id": user, "position": position, "video_id": video, "propensity": propensity, "event_date": night}
    return {**of, "feed_version": version_of(night, "m"), "model_version": "m", "score": 1.0, "reason": "why"}


def seen(user: str, video: str, at: datetime = SEEN, **more: Any) -> dict[str, Any]:
    event = {"event_id": f"{user} {video} {at} {more}", "user_id": user, "video_id": video, "event_at": at}
    return {**event, "event_type": "impression", "received_at": at, "feed_version": VERSION, "position": 0} | more


def watch(user: str, video: str, started_at: datetime, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {c.name: False for c in data_contracts.load("silver.watches").columns if c.type == "boolean"}
    row |= {"user_id": user, "video_id": video, "started_at": started_at, "share_watched": 0.5, "watch_ms": 9} | more
    return row


def frame(spark: SparkSession, table: str, *rows: dict[str, Any]) -> DataFrame:
    return rows_of(spark, table, rows)


@pytest.fixture(scope="module")
def feeds(spark: SparkSession) -> DataFrame:
    slots = (slot("ann", 0, "a", None), slot("ann", 3, "b", 0.01), slot("ann", 7, "c", 0.01), slot("ben", 1, "b", 0.5))
    return frame(spark, "gold.feeds", *slots)


def made(feeds: DataFrame, events: list[dict[str, Any]], watches: list[dict[str, Any]]) -> list[Row]:
    spark = feeds.sparkSession
    found = explorations(feeds, frame(spark, "bronze.events", *events), frame(spark, "silver.watches", *watches), DAYS)
    return found.orderBy("user_id", "position").collect()


def test_a_drawn_slot_that_was_seen_is_a_row_with_what_followed_and_others_are_none(feeds: DataFrame) -> None:
    events = [
        seen("ann", "a"),
        seen("ann", "b"),
        seen("ben", "b"),
        seen("cid", "b"),
        seen("ann", "c", event_type="view"),
    ]
    rows = made(feeds, events, [watch("ann", "b", SEEN, is_liked=True), watch("ann", "c", SEEN)])
    assert [(r.user_id, r.position, r.video_id, r.propensity, r.reward) for r in rows] == [
        ("ann", 3, "b", 0.01, 3),
        ("ben", 1, "b", 0.5, 0),
    ]
    assert {(r.feed_version, r.model_version, r.event_date) for r in rows} == {(VERSION, "m", SEEN.date())}


def test_a_slot_that_was_seen_again_is_one_row_of_the_day_on_which_it_was_first_seen(feeds: DataFrame) -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    twice = [seen("ann", "b", SEEN + hour), seen("ann", "b"), seen("ben", "b", SEEN - day), seen("ben", "b")]
    (row,) = made(feeds, twice, [watch("ann", "b", SEEN + hour)])
    assert (row.user_id, row.shown_at, row.reward) == ("ann", SEEN.replace(tzinfo=None), 1)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (seen("ann", "b", feed_version=None), "it does not say in which feed"),
        (seen("ann", "b", feed_version=version_of(NIGHT, "other")), "another feed"),
        (seen("ann", "b", datetime(2024, 3, 7, 23, tzinfo=UTC)), "the feed was not there yet"),
        (seen("ann", "z"), "a video that the feed does not have"),
    ],
)
def test_an_impression_counts_for_the_slot_that_it_names(feeds: DataFrame, event: dict[str, Any], why: str) -> None:
    assert made(feeds, [event], []) == [], why


def test_a_slot_is_found_by_its_video_where_feeds_have_closed_ranks_since(feeds: DataFrame) -> None:
    """What was withdrawn before publishing has left its slot, so clients saw smaller positions than the table's."""
    (row,) = made(feeds, [seen("ann", "b", position=2)], [])
    assert row.position == 3


def test_only_what_followed_within_a_day_is_a_reward(feeds: DataFrame) -> None:
    before, after = SEEN - timedelta(minutes=1), SEEN + timedelta(days=1)
    (row,) = made(feeds, [seen("ann", "b")], [watch("ann", "b", before), watch("ann", "b", after)])
    assert row.reward == 0


def filled(lake: Lake, table: str, *rows: dict[str, Any]) -> None:
    lake.merge(table, frame(lake.spark, table, *rows))


def test_a_night_writes_what_has_settled_once_more_so_that_late_events_count(lake: Lake) -> None:
    day = timedelta(days=1)
    filled(lake, "gold.feeds", slot("ann", 3, "b", 0.01), slot("ann", 0, "a", None))
    filled(lake, "silver.watches", watch("ann", "b", SEEN))
    filled(lake, "bronze.events", seen("ann", "b"), seen("zoe", "a", SEEN - 2 * day, feed_version=None))
    assert settled(LATER).end == DAYS.end

    # A night earlier, a reaction could still come.
    rewards.run(lake, Window.of_day(LATER.day - day))
    assert lake.read("gold.explorations").isEmpty()
    rewards.run(lake, LATER)
    assert [(r.video_id, r.reward) for r in lake.read("gold.explorations").collect()] == [("b", 1)]

    # A phone was off: the video was liked, and the slot had been seen some hours before.
    filled(lake, "silver.watches", watch("ann", "b", SEEN, is_liked=True))
    filled(lake, "bronze.events", seen("ann", "b", SEEN - timedelta(hours=11)))
    rewards.run(lake, Window.of_day(LATER.day + LATE - day))
    (row,) = lake.read("gold.explorations").collect()
    assert (row.reward, row.shown_at.hour) == (3, 1)

    # An old night that is run again makes of its own days the same; and feeds without a drawn slot, as when
    # exploration is off, take nothing away.
    rewards.run(lake, LATER)
    filled(lake, "gold.feeds", slot("ann", 3, "b", None))
    rewards.run(lake, LATER)
    assert lake.read("gold.explorations").collect() == [row]
