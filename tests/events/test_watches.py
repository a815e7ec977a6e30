"""Making watches of events: what belongs to which watch, and that the order of arrival does not matter."""

import json
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

import data_contracts
from jobs.engine.frames import frame_of, rows_of
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.events import ingest, marks, watches

# PySpark leaves the socket of every collect() to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
ANY_WINDOW = Window.of_day(date(2024, 3, 1))


def event(kind: str, at: timedelta | int, **said: Any) -> dict[str, Any]:
    """Something ann did with the video cats, `at` seconds after noon; a view watched 4 of its 10 seconds."""
    moment = NOON + (at if isinstance(at, timedelta) else timedelta(seconds=at))
    row = {
        "event_id": f"{kind}-{moment:%d%H%M%S}",
        "user_id": "ann",
        "video_id": "cats",
        "event_type": kind,
        "event_at": moment,
        "received_at": moment,
        "watch_ms": 4000 if kind == "view" else None,
    }
    return {**row, **said}


def frame(spark: SparkSession, *events: dict[str, Any]) -> DataFrame:
    return rows_of(spark, "bronze.events", events)


def videos(spark: SparkSession) -> DataFrame:
    rows = [("cats", "published", 10_000, "c"), ("dogs", "published", 10_000, "d"), ("film", "published", None, None)]
    rows += [("long", "rejected", 400_000, None)]
    known = frame_of(spark, "video_id string, status string, duration_ms bigint, playback_path string", rows)
    return known.withColumn("published_at", F.lit(datetime(2024, 1, 1, tzinfo=UTC)))


def made(spark: SparkSession, *events: dict[str, Any]) -> list[Row]:
    """The watches of these events, in order of their start."""
    return watches.watches(frame(spark, *events), videos(spark)).orderBy("user_id", "video_id", "started_at").collect()


def test_reactions_belong_to_the_latest_view_before_them(spark: SparkSession) -> None:
    first, second = made(
        spark, event("view", 0), event("like", 5), event("view", 60), event("share", 60), event("comment", 99)
    )
    assert (first.is_liked, first.is_shared, first.is_commented) == (True, False, False)
    assert (second.is_liked, second.is_shared, second.is_commented) == (False, True, True)


def test_a_reaction_has_its_own_time_and_a_past_moment_does_not_know_it(spark: SparkSession) -> None:
    seen = frame(spark, event("view", 0, watch_ms=9000), event("like", 90), event("skip", 60), event("like", 100))
    made = watches.watches(seen, videos(spark))
    late, early = (watches.known_by(made, NOON + timedelta(seconds=at)).collect()[0] for at in (91, 90))
    assert (late.is_liked, late.liked_at.second) == (True, 30)
    assert (early.is_liked, early.liked_at) == (False, None)
    assert early.is_skipped and (early.skipped_at - early.started_at).seconds == 60
    assert watches.known_by(made, NOON).isEmpty()


def test_a_short_view_is_skipped_from_its_start_on(spark: SparkSession) -> None:
    (watch,) = made(spark, event("view", 0, watch_ms=100), event("skip", 5))
    assert watch.skipped_at == watch.started_at


def test_a_reaction_more_than_a_day_after_the_view_belongs_to_no_watch(spark: SparkSession) -> None:
    day = timedelta(days=1)
    (watch,) = made(spark, event("view", 0), event("like", day), event("share", day + timedelta(seconds=1)))
    assert (watch.is_liked, watch.is_shared) == (True, False)


def test_impressions_and_reactions_without_a_view_are_no_watch(spark: SparkSession) -> None:
    assert made(spark, event("impression", 0, position=3), event("like", 5), event("skip", 6)) == []


def test_a_view_takes_slot_and_feed_version_from_its_impression(spark: SparkSession) -> None:
    shown, said, later = made(
        spark,
        event("impression", 0, position=3, feed_version="v1"),
        event("view", 2),
        event("view", 4, position=0, feed_version="v2"),
        event("view", timedelta(days=2)),
    )
    assert (shown.position, shown.feed_version) == (3, "v1")
    assert (said.position, said.feed_version) == (0, "v2")
    assert (later.position, later.feed_version) == (None, None)


def test_a_view_reported_twice_is_one_watch_the_longest(spark: SparkSession) -> None:
    (watch,) = made(spark, event("view", 0), event("view", 0, event_id="again", watch_ms=9500))
    assert (watch.watch_ms, watch.share_watched, watch.is_finished) == (9500, 0.95, True)


def test_share_and_time_complete_each_other_by_the_duration(spark: SparkSession) -> None:
    by_time, by_share, both, unknown = made(
        spark,
        event("view", 0, watch_ms=1000),
        event("view", 1, watch_ms=None, share_watched=2.5),
        event("view", 2, watch_ms=7, share_watched=0.5),
        event("view", 3, video_id="film", watch_ms=None, share_watched=0.9),
    )
    assert (by_time.share_watched, by_time.is_skipped) == (0.1, True)
    assert (by_share.watch_ms, by_share.is_finished) == (25_000, True)
    assert (both.watch_ms, both.share_watched) == (7, 0.5)
    assert (unknown.watch_ms, unknown.share_watched, unknown.is_finished) == (None, 0.9, True)


def test_a_view_that_ran_for_a_day_is_a_watch_of_the_highest_share(spark: SparkSession) -> None:
    (watch,) = made(spark, event("view", 0, watch_ms=86_400_000))
    assert (watch.watch_ms, watch.share_watched) == (86_400_000, 1000.0)


def test_loops_are_whole_plays_beyond_the_first(spark: SparkSession) -> None:
    part, once, thrice = made(spark, *(event("view", n, watch_ms=ms) for n, ms in enumerate((9_000, 19_000, 39_900))))
    assert (part.loops, once.loops, thrice.loops) == (0, 0, 2)


def test_a_watch_that_cannot_be_has_the_rules_that_it_breaks_by_itself(spark: SparkSession) -> None:
    before = datetime(2023, 12, 31, 23, tzinfo=UTC)
    longest, early, ahead, good, title = made(
        spark,
        event("view", 0, watch_ms=86_400_000, event_id="longest", video_id="cats"),
        event("view", 0, event_at=before, event_id="early", video_id="dogs"),
        event("view", 1, received_at=NOON - timedelta(minutes=5), event_id="ahead", video_id="dogs"),
        event("view", 2, received_at=NOON - timedelta(minutes=4), video_id="dogs"),
        event("view", 0, event_at=before, event_id="before", video_id="film", share_watched=1.0),
    )
    assert longest.marks == ["at_the_limit"]
    assert early.marks == ["before_its_clip"]
    assert (ahead.marks, good.marks, title.marks) == (["ahead_of_receipt"], [], [])


def test_swiping_away_is_a_skip_however_long_it_ran(spark: SparkSession) -> None:
    (watch,) = made(spark, event("view", 0), event("skip", 4))
    assert watch.is_skipped and not watch.is_finished


def test_views_of_videos_that_are_not_published_make_no_watch(spark: SparkSession) -> None:
    assert made(spark, event("view", 0, video_id="long"), event("view", 0, video_id="unheard-of")) == []


def publish(lake: Lake, *withdrawn: str) -> None:
    """The videos as they are now: these are withdrawn, or not there yet."""
    columns = data_contracts.load("silver.videos").columns
    known = videos(lake.spark)
    known = known.withColumn(
        "status", F.when(F.col("video_id").isin(*withdrawn), "rejected").otherwise(F.col("status"))
    )
    said = {"user_id": "'bob'", "title": "'T'", "has_audio": "true"}
    said |= {"source": "'api'", "reason": "IF(status = 'rejected', 'too_long: 400 s', NULL)", "width": "480"}
    said |= {
        "hashtags": "array('a')",
        "hashtags_at": "CAST(NULL AS array<timestamp>)",
        "height": "854",
        "media_hash": "'h'",
        "playback_path": "CAST(NULL AS STRING)",
        "poster_path": "CAST(NULL AS STRING)",
        "start_path": "CAST(NULL AS STRING)",
        "start_bytes": "CAST(NULL AS array<bigint>)",
    }
    lake.merge("silver.videos", known.selectExpr(*[f"{said.get(c.name, c.name)} AS {c.name}" for c in columns]))


def table(lake: Lake) -> list[Row]:
    return sorted(lake.read(watches.WATCHES).collect(), key=lambda r: (r.user_id, r.video_id, r.started_at))


def test_the_job_reads_each_event_once_and_quarantines_views_of_unknown_videos(lake: Lake) -> None:
    watches.run(lake, ANY_WINDOW)  # before the first event there is nothing to do
    publish(lake)
    lake.insert_new(watches.EVENTS, frame(lake.spark, event("view", 0), event("view", 0, video_id="?", event_id="u")))
    watches.run(lake, ANY_WINDOW)
    before = lake.version(watches.WATCHES)
    watches.run(lake, ANY_WINDOW)
    assert lake.version(watches.WATCHES) == before
    lake.insert_new(watches.EVENTS, frame(lake.spark, event("like", 3), event("view", 60)))
    watches.run(lake, ANY_WINDOW)
    assert [(w.video_id, w.is_liked) for w in table(lake)] == [("cats", True), ("cats", False)]
    (refused,) = lake.read("quarantine.silver.watches").collect()
    assert (refused.rules, json.loads(refused.row)["video_id"]) == (["video_is_published"], "?")


def test_what_came_before_its_video_was_published_becomes_a_watch_when_it_is(lake: Lake) -> None:
    publish(lake, "dogs")
    precise = timedelta(microseconds=123_456)  # more than JSON keeps of what waits
    early = [event("view", precise, video_id="dogs", event_id="v"), event("like", 5, video_id="dogs")]
    lake.insert_new(watches.EVENTS, frame(lake.spark, event("view", 0), *early))
    watches.run(lake, ANY_WINDOW)
    assert [w.video_id for w in table(lake)] == ["cats"]
    assert lake.read("quarantine.silver.watches").count() == 2
    publish(lake)
    watches.run(lake, ANY_WINDOW)  # nothing new has arrived
    assert [(w.video_id, w.is_liked) for w in table(lake)] == [("cats", False), ("dogs", True)]
    assert lake.read("quarantine.silver.watches").isEmpty()


def test_any_order_of_arrival_and_publishing_makes_the_same_watches(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Viewers know nothing of the others: fifteen of them are fifteen schedules for the price of one.
    chance = random.Random(7)
    # So little is too much that every rule catches some of so few.
    little = {"A_MINUTE": 1, "A_VIDEO": 1, "AN_HOUR": timedelta(seconds=9), "DAY": timedelta(minutes=40)}
    for name, least in little.items():
        monkeypatch.setattr(marks, name, least)
    drawn = [
        event(
            kind := chance.choice(["impression", "view", "view", "like", "share", "skip", "report"]),
            timedelta(hours=chance.choice([0, 1, 2, 3, 47, 48]), minutes=20 * chance.randrange(3)),
            user_id=f"viewer {n % 15}",
            video_id=chance.choice(["cats", "dogs"]),
            event_id=str(n),
            watch_ms=chance.randrange(12_000) if kind == "view" else None,
            position=n if kind == "impression" else None,
        )
        for n in range(300)
    ]
    chance.shuffle(drawn)
    # What lends a view its slot comes after it, alone; the view keeps its last like.
    view, like = event("view", 60, video_id="dogs"), event("like", timedelta(days=1, seconds=60), video_id="dogs")
    drawn = [view, like, *drawn, event("impression", 0, video_id="dogs", position=3)]
    publish(lake, "dogs")
    early = frame(lake.spark, *drawn[:100])
    lake.insert_new(watches.EVENTS, early)
    watches.rebuild(lake, early)
    publish(lake, "cats")
    late = frame(lake.spark, *drawn[100:])
    lake.insert_new(watches.EVENTS, late)
    watches.rebuild(lake, late)
    watches.rebuild(lake, late)  # as after a kill before the checkpoint
    publish(lake)
    watches.take_up(lake)
    at_once = marks.among_others(watches.watches(frame(lake.spark, *drawn), videos(lake.spark)))
    rows = at_once.select(lake.read(watches.WATCHES).columns).collect()
    assert {name for row in rows for name in row.marks} == {*marks.BY_OTHERS}
    assert len({row.session_started_at for row in rows}) > 5
    assert table(lake) == sorted(rows, key=lambda r: (r.user_id, r.video_id, r.started_at))
    assert lake.read("quarantine.silver.watches").isEmpty()


def test_events_of_the_spool_become_watches(lake: Lake) -> None:
    publish(lake)
    lake.settings.events.mkdir(parents=True)
    lines = [{k: v.isoformat() if isinstance(v, datetime) else v for k, v in event("view", n).items()} for n in (0, 9)]
    (lake.settings.events / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    ingest.run(lake, ANY_WINDOW)
    watches.run(lake, ANY_WINDOW)
    assert len(table(lake)) == 2
