"""Publication: what clients read of a video, of a viewer's feed, and of a stranger's."""

from datetime import date

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.feeds.publish import cards, fallback, newest_counts, slots

VIDEOS = (
    "video_id string, user_id string, title string, hashtags array<string>, duration_ms bigint, status string, "
    "playback_path string, poster_path string"
)
COUNTS = (
    "video_id string, event_date date, views_total bigint, likes_total bigint, viewers_28d bigint, viewers_total bigint"
)
OLD, NEW = date(2024, 3, 1), date(2024, 3, 2)


@pytest.fixture(scope="module")
def videos(spark: SparkSession) -> DataFrame:
    rows = [
        ("clip", "ann", "A clip", ["cats"], 12_345, "published", "ab/master.m3u8", "ab/poster.jpg"),
        ("film", "ben", None, None, None, "published", None, None),
        ("bad", "cid", "Bad", [], None, "rejected", None, None),
    ]
    return spark.createDataFrame(rows, VIDEOS)


@pytest.fixture(scope="module")
def counts(spark: SparkSession) -> DataFrame:
    rows = [("clip", OLD, 5, 1, 4, 4), ("clip", NEW, 9, 2, 0, 5), ("bad", NEW, 99, 9, 9, 9)]
    return newest_counts(spark.createDataFrame(rows, COUNTS))


def test_a_card_says_seconds_newest_counts_and_where_to_play(videos: DataFrame, counts: DataFrame) -> None:
    card = {r.video_id: r.asDict() for r in cards(videos, counts).collect()}["clip"]
    assert card == {
        "video_id": "clip",
        "user_id": "ann",
        "title": "A clip",
        "hashtags": ["cats"],
        "duration": 12.345,
        "views": 9,
        "likes": 2,
        "playback_url": "/media/ab/master.m3u8",
        "poster_url": "/media/ab/poster.jpg",
    }


def test_a_title_without_media_or_views_has_a_card_and_a_rejected_one_has_none(
    videos: DataFrame, counts: DataFrame
) -> None:
    every = {r.video_id: r for r in cards(videos, counts).collect()}
    assert set(every) == {"clip", "film"}
    film = every["film"]
    assert (film.duration, film.views, film.likes, film.hashtags, film.playback_url) == (0.0, 0, 0, [], None)


def test_a_feed_is_one_row_of_slots_in_order(spark: SparkSession, videos: DataFrame, counts: DataFrame) -> None:
    rows = [("me", 1, "clip", 0.5, "popular this week"), ("me", 0, "film", 0.9, "because you watched A clip")]
    feeds = spark.createDataFrame(rows, "user_id string, position int, video_id string, score double, reason string")
    (feed,) = slots(feeds, cards(videos, counts)).collect()
    assert feed.viewer == "me"
    assert [(s.position, s.video_id, s.user_id, s.reason) for s in feed.slots] == [
        (0, "film", "ben", "because you watched A clip"),
        (1, "clip", "ann", "popular this week"),
    ]


def test_strangers_see_what_is_watched_now_then_ever_then_the_rest(videos: DataFrame, counts: DataFrame) -> None:
    feed = fallback(cards(videos, counts), counts).collect()
    assert [(r.position, r.video_id, r.reason) for r in feed] == [
        (0, "clip", "popular of all time"),
        (1, "film", "new here"),
    ]
