"""Publication: what clients read of a video, of a viewer's feed, and of a stranger's."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.engine.frames import frame_of, newest
from jobs.feeds.publish import ORIGIN, slots, write
from jobs.feeds.shown import shown
from jobs.feeds.strangers import fallback
from jobs.host.redis_server import redis_url
from jobs.media.cards import cards
from jobs.settings import Settings
from serving.feed_store.shapes import Video
from serving.feed_store.writer import FeedStore

VIDEOS = (
    "video_id string, user_id string, title string, hashtags array<string>, duration_ms bigint, status string, "
    "published_at timestamp, playback_path string, poster_path string, start_path string, start_bytes array<bigint>"
)
COUNTS = (
    "video_id string, event_date date, views_total bigint, likes_total bigint, viewers_28d bigint, "
    "viewers_total bigint, share_watched_total double"
)
FEEDS = (
    "user_id string, position int, video_id string, reason string, propensity double, "
    "source string, policy_version string, feed_arm string"
)
MADE = "item_item", "p1", None
OLD, NEW = date(2024, 3, 1), date(2024, 3, 2)
NO_MEDIA = (None, None, None, None)
LONG_AGO = datetime(2024, 1, 5, 8, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def videos(spark: SparkSession) -> DataFrame:
    media = ("ab/master.m3u8", "ab/poster.jpg", "ab/360p/index.m3u8", [50, 50, 90, 130])
    rows = [
        ("clip", "ann", "A clip", ["cats"], 12_345, "published", LONG_AGO, *media),
        ("film", "ben", None, None, None, "published", LONG_AGO, *NO_MEDIA),
        ("bad", "cid", "Bad", [], None, "rejected", LONG_AGO, *NO_MEDIA),
    ]
    return frame_of(spark, VIDEOS, rows)


@pytest.fixture(scope="module")
def refused(spark: SparkSession) -> DataFrame:
    return frame_of(spark, "user_id string, video_id string", [("you", "film")])


@pytest.fixture(scope="module")
def counts(spark: SparkSession) -> DataFrame:
    rows = [("clip", OLD, 5, 1, 4, 4, 0.9), ("clip", NEW, 9, 2, 0, 5, 0.4), ("bad", NEW, 99, 9, 9, 9, 1.0)]
    return newest(frame_of(spark, COUNTS, rows), by=["video_id"], at="event_date")


def test_a_card_says_seconds_newest_counts_and_where_to_play(videos: DataFrame, counts: DataFrame) -> None:
    card = {r.video_id: r.asDict(recursive=True) for r in cards(videos, counts).collect()}["clip"]
    assert card == {
        "video_id": "clip",
        "user_id": "ann",
        "title": "A clip",
        "hashtags": ["cats"],
        "duration": 12.345,
        "published_at": "2024-01-05T08:30:00Z",
        "views": 9,
        "likes": 2,
        "playback_url": "/media/ab/master.m3u8",
        "poster_url": "/media/ab/poster.jpg",
        "preload": {
            "playlist_url": "/media/ab/360p/index.m3u8",
            "bytes": {"1": 50, "2": 50, "3": 90, "5": 130},
            "watch_seconds": 4.9,
        },
    }
    assert list(card) == list(Video.model_fields)


def test_a_title_without_media_or_views_has_a_card_and_a_rejected_one_has_none(
    videos: DataFrame, counts: DataFrame
) -> None:
    every = {r.video_id: r for r in cards(videos, counts).collect()}
    assert set(every) == {"clip", "film"}
    film = every["film"]
    assert (film.duration, film.views, film.likes, film.hashtags, film.playback_url) == (0.0, 0, 0, [], None)
    assert film.preload is None


def test_what_nobody_has_watched_yet_has_no_seconds_that_they_watch_it(videos: DataFrame) -> None:
    preload = {r.video_id: r.preload for r in cards(videos).collect()}["clip"]
    assert preload.playlist_url and preload.watch_seconds is None


def test_a_slot_has_words_beside_its_video(spark: SparkSession, videos: DataFrame, refused: DataFrame) -> None:
    rows = [
        ("me", 1, "clip", "popular this week", 0.25, *MADE),
        ("me", 0, "film", "because you watched “A clip”", None, *MADE),
    ]
    found = slots(frame_of(spark, FEEDS, rows), cards(videos), refused).orderBy("position").collect()
    sent, unsent = zip(*(r.words.split("\n") for r in found), strict=True)
    assert [json.loads(one) for one in unsent] == [dict(zip(ORIGIN, MADE, strict=True))] * 2
    assert [(r.user_id, r.position, r.video_id, json.loads(words)) for r, words in zip(found, sent, strict=True)] == [
        ("me", 0, "film", {"reason": "because you watched “A clip”", "propensity": None}),
        ("me", 1, "clip", {"reason": "popular this week", "propensity": 0.25}),
    ]


def test_what_was_withdrawn_refused_or_made_by_the_viewer_is_left_out(
    spark: SparkSession, videos: DataFrame, refused: DataFrame
) -> None:
    rows = [
        (viewer, place, video, "why", None, *MADE)
        for viewer in ("ann", "you", "nobody")
        for place, video in enumerate(("bad",) if viewer == "nobody" else ("bad", "film", "clip"))
    ]
    feeds = frame_of(spark, FEEDS, rows)
    served = {(r.user_id, r.position, r.video_id) for r in slots(feeds, cards(videos), refused).collect()}
    assert served == {("ann", 1, "film"), ("you", 2, "clip")}


def test_whole_feeds_are_written_in_order_however_their_rows_come(spark: SparkSession, tmp_path: Path) -> None:
    places = [(f"viewer{n % 7}", n // 7, f"v{n // 7}", json.dumps({"reason": f"why {n % 3}"})) for n in range(7 * 30)]
    order = np.random.default_rng(3).permutation(len(places)).tolist()
    rows = frame_of(spark, "user_id string, position int, video_id string, words string", [places[n] for n in order])
    settings = Settings(home=tmp_path)
    with redis_url(settings) as url, FeedStore(url) as store:
        store.begin("v1")
        store.write_parts("v1", [{"video_id": f"v{n}"} for n in range(30)])
        viewers = {row.user_id for row in write(rows.repartition(3), "v1", url).collect()}
        store.write_fallback("v1", [{"video_id": "top"}])
        store.commit("v1", len(viewers))
        assert viewers == {f"viewer{n}" for n in range(7)}
        for number in range(7):
            assert shown(f"viewer{number}", settings).slots == [
                {"video_id": f"v{place}", "position": place, "reason": f"why {(7 * place + number) % 3}"}
                for place in range(30)
            ]


def test_every_fifth_slot_of_strangers_has_a_new_video_of_another_creator(spark: SparkSession) -> None:
    def video(name: str, creator: str, age: int) -> tuple[object, ...]:
        return (name, creator, name, [], 1, "published", LONG_AGO - timedelta(days=age), *NO_MEDIA)

    watched = [video(f"seen{n:02}", f"maker{n}", 99) for n in range(60)]
    new = [video("flood1", "flood", 1), video("flood2", "flood", 2), video("late", "cid", 3)]
    counts = [(f"seen{n:02}", NEW, 9, 9, 900 - n, 900, 0.5) for n in range(60)]
    feed = fallback(cards(frame_of(spark, VIDEOS, [*watched, *new])), frame_of(spark, COUNTS, counts))
    rows = {r.position: (r.video_id, r.reason) for r in feed.collect()}
    assert len(rows) == 50
    assert [rows[n] for n in (4, 9, 14)] == [("flood1", "new here"), ("late", "new here"), ("flood2", "new here")]
    assert [rows[n][0] for n in (0, 3, 5, 49)] == ["seen00", "seen03", "seen04", "seen46"]


def test_strangers_see_what_is_watched_now_then_ever_then_the_rest(videos: DataFrame, counts: DataFrame) -> None:
    feed = fallback(cards(videos, counts), counts).collect()
    assert [(r.position, r.video_id, r.reason) for r in feed] == [
        (0, "clip", "popular of all time"),
        (1, "film", "new here"),
    ]
