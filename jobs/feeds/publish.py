"""Hands tonight's feeds to the endpoint: every viewer's, one for strangers, and what it says of each video.

Belongs here: from tables to the slots and cards that clients read. The keys in Redis and the switch to a new version:
serving/feed_store.py. The order of a feed: build.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.errors import ReelmillError
from jobs.feeds.build import SLOTS, feed_version
from jobs.job import Window, job
from jobs.lake import Lake
from jobs.redis_server import redis_url

# The order for strangers: most viewers in the last 28 days, then ever.
POPULARITY = ("viewers_28d", "viewers_total")
SLOT = ("video_id", "position", "score", "reason", "title", "user_id", "duration", "playback_url", "poster_url")


FALLBACK = "fallback"


class NoFeeds(ReelmillError):
    """There is nothing to publish for the night."""


def cards(videos: DataFrame, counts: DataFrame) -> DataFrame:
    """What the endpoint says of each published video; `counts` has the newest row of gold.video_daily of each.

    `duration` is in seconds, 0.0 for a catalogue entry without media, whose length nobody knows.
    """
    totals = counts.select("video_id", "views_total", "likes_total")
    return (
        videos.where("status = 'published'")
        .join(totals, on="video_id", how="left")
        .select(
            "video_id",
            "user_id",
            F.coalesce("title", F.lit("")).alias("title"),
            F.coalesce("hashtags", F.array().cast("array<string>")).alias("hashtags"),
            (F.coalesce("duration_ms", F.lit(0)) / 1000).cast("double").alias("duration"),
            F.coalesce("views_total", F.lit(0)).alias("views"),
            F.coalesce("likes_total", F.lit(0)).alias("likes"),
            _media_url("playback_path").alias("playback_url"),
            _media_url("poster_path").alias("poster_url"),
        )
    )


def slots(feeds: DataFrame, videos: DataFrame) -> DataFrame:
    """One row per viewer: user_id and `slots`, an array of SLOT in order; `videos` as from `cards`."""
    card = videos.select(
        "video_id", F.col("user_id").alias("creator"), "title", "duration", "playback_url", "poster_url"
    )
    full = feeds.join(card, on="video_id", how="inner")
    # The first field sorts.
    slot = F.struct(
        F.col("position").alias("order"),
        *[F.col("creator").alias("user_id") if c == "user_id" else F.col(c) for c in SLOT],
    )
    return full.groupBy(F.col("user_id").alias("viewer")).agg(F.sort_array(F.collect_list(slot)).alias("slots"))


def fallback(videos: DataFrame, counts: DataFrame) -> DataFrame:
    """The feed for strangers, rows of SLOT by position: what most watched lately, then ever, then the rest."""
    order = [F.coalesce(c, F.lit(0)).desc() for c in POPULARITY]
    best = Over.orderBy(*order, "video_id")
    return (
        videos.join(counts.select("video_id", *POPULARITY), on="video_id", how="left")
        .withColumn("place", F.row_number().over(best))
        .where(F.col("place") <= SLOTS)
        .withColumn("position", F.col("place") - 1)
        .withColumn("score", F.coalesce("viewers_28d", F.lit(0)).cast("double"))
        .withColumn(
            "reason",
            F.when(F.col("viewers_28d") > 0, "popular this month")
            .when(F.col("viewers_total") > 0, "popular of all time")
            .otherwise("new here"),
        )
        .orderBy("position")
        .select(*SLOT)
    )


def newest_counts(video_daily: DataFrame) -> DataFrame:
    """The newest row of gold.video_daily of each video. Its 28-day counts hold until the next row: see its contract."""
    newest = Over.partitionBy("video_id").orderBy(F.col("event_date").desc())
    return video_daily.withColumn("_newest", F.row_number().over(newest)).where("_newest = 1").drop("_newest")


def _media_url(path: str) -> Column:
    return F.when(F.col(path).isNotNull(), F.concat(F.lit("/media/"), F.col(path)))


def nobodys(lake: Lake, window: Window) -> str:
    """The version of a night in which nobody has a feed of their own: nobody watched yet, or all watched everything.

    Then everybody gets the fallback. Raises NoFeeds unless that is what feeds.build found that night.
    """
    from jobs.runner import has_run

    if not has_run(lake, "feeds.build", window):
        raise NoFeeds(
            f"gold.feeds has no row for {window.day}, so nothing is published and readers keep the feeds they have. "
            f"Run it first: reelmill run feeds.build --date {window.day}"
        )
    if not lake.read("gold.feeds").isEmpty() and lake.read("silver.watches", until=window.end).isEmpty():
        raise NoFeeds(
            f"silver.watches has no row before {window.end:%Y-%m-%d %H:%M}, but there were feeds before: the watches "
            "are lost, so nothing is published and readers keep the feeds they have."
        )
    return feed_version(window.day, FALLBACK)


@job(every="night", reads=["gold.feeds", "silver.videos", "silver.watches", "gold.video_daily"], writes=[])
def run(lake: Lake, window: Window) -> None:
    """On a platform without a published video there is nothing to show to anybody, and nothing is published."""
    from serving.feed_store import FeedStore

    feeds = lake.read("gold.feeds", since=window.end - timedelta(days=1), until=window.end)
    found = feeds.agg(F.max("feed_version").alias("version"), F.count_distinct("user_id").alias("viewers")).first()
    assert found is not None
    version = found["version"] or nobodys(lake, window)
    counts = newest_counts(lake.read("gold.video_daily", until=window.end))
    videos = cards(lake.read("silver.videos", until=window.end), counts).persist()
    if videos.isEmpty():
        return
    with redis_url(lake.settings) as url:
        # By their own connection from each task: a night's feeds never pass through one process.
        def write_feeds(rows: Iterator[Row]) -> None:
            with FeedStore(url) as store:
                store.write_feeds(version, ((row["viewer"], _plain(row["slots"])) for row in rows))

        def write_videos(rows: Iterator[Row]) -> None:
            with FeedStore(url) as store:
                store.write_videos(row.asDict() for row in rows)

        try:
            with FeedStore(url) as store:
                store.begin(version)
                videos.foreachPartition(write_videos)
                slots(feeds, videos).foreachPartition(write_feeds)
                store.write_fallback(version, [row.asDict() for row in fallback(videos, counts).collect()])
                store.commit(version, found["viewers"])
        finally:
            videos.unpersist()


def _plain(slots_of_viewer: list[Row]) -> list[dict[str, Any]]:
    return [{name: slot[name] for name in SLOT} for slot in slots_of_viewer]
