"""Sessions and marks: what a watch is by its viewer's others in its hour and before it, and by none after."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from jobs.engine.frames import frame_of
from jobs.events.marks import A_MINUTE, A_VIDEO, DAY, PAUSE, RULES, among_others, unmarked

# PySpark leaves the socket of every collect() to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
SCHEMA = "user_id string, video_id string, started_at timestamp, watch_ms bigint, marks array<string>"
SECOND = timedelta(seconds=1)


def lived(user: str, every: timedelta, times: int, watch_ms: int | None = 1000, video: str = "") -> list[Any]:
    """So many watches of a viewer at that pace, each of a video of its own unless one is named."""
    return [(user, video or f"v{n}", NOON + n * every, watch_ms, []) for n in range(times)]


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> DataFrame:
    """What several viewers did, who know nothing of each other."""
    rows = [
        *lived("swipes", SECOND / 2, 3 * A_MINUTE),
        *lived("races", SECOND / 2 - SECOND / 20, A_MINUTE + 20),
        *lived("rates", SECOND / 10, A_MINUTE + 20, watch_ms=None),
        *lived("has three screens", timedelta(minutes=10), 6, watch_ms=3_600_000),
        *lived("replays", timedelta(minutes=59), A_VIDEO + 1, video="again"),
        *lived("never rests", PAUSE, DAY // PAUSE + 1),
        *lived("comes back", PAUSE, 2),
        ("comes back", "later", NOON + 2 * PAUSE + SECOND, 1000, None),
    ]
    return among_others(frame_of(spark, SCHEMA, rows)).localCheckpoint()


def of(found: DataFrame, user: str) -> list[Row]:
    return found.where(F.col("user_id") == user).orderBy("started_at").collect()


@pytest.mark.parametrize(
    ("user", "rule", "caught"),
    [
        ("races", "too_fast", A_MINUTE + 20),
        ("has three screens", "too_much_time", 6),
        ("replays", "replayed", 1),
        ("never rests", "no_rest", 1),
    ],
)
def test_a_rule_catches_the_hour_in_which_a_viewer_does_what_no_person_can(
    found: DataFrame, user: str, rule: str, caught: int
) -> None:
    marks = [row.marks for row in of(found, user)]
    assert marks == [[]] * (len(marks) - caught) + [[rule]] * caught


def test_who_swipes_as_fast_as_hands_do_or_rates_what_was_watched_elsewhere_is_not_marked(found: DataFrame) -> None:
    assert [row.marks for user in ("swipes", "rates", "comes back") for row in of(found, user) if row.marks] == []


def test_a_session_goes_on_until_a_pause_and_for_less_than_a_day(found: DataFrame) -> None:
    first, second, later = of(found, "comes back")
    assert first.session_started_at == second.session_started_at == first.started_at
    assert later.session_started_at == later.started_at
    *rests, last = of(found, "never rests")
    assert {row.session_started_at for row in rests} == {rests[0].started_at}
    assert last.session_started_at is None


def test_nothing_that_comes_after_its_hour_changes_a_mark_or_a_session(found: DataFrame) -> None:
    before = found.where(F.col("started_at") < F.lit(NOON + timedelta(hours=1)))
    marks = F.array().cast("array<string>")
    assert among_others(before.withColumn("marks", marks)).exceptAll(before).isEmpty()


def test_what_counts_has_no_mark_or_was_made_before_there_were_any(spark: SparkSession) -> None:
    rows = [("ann", []), ("ben", None), ("bot", [next(iter(RULES))])]
    counting = unmarked(frame_of(spark, "user_id string, marks array<string>", rows))
    assert sorted(row.user_id for row in counting.collect()) == ["ann", "ben"]
