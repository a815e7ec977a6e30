"""The card of each published video, by which the endpoint answers for it from its publication on.

Belongs here: from silver.videos to these cards, and handing them over. What a card holds, and where it lies in Redis:
serving/feed_store/. Feeds: jobs/feeds/publish.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from jobs.media.status import published
from serving.feed_store.shapes import FIRST_SECONDS, MEDIA

TOTALS = ("views_total", "likes_total", "share_watched_total")


def cards(videos: DataFrame, totals: DataFrame | None = None) -> DataFrame:
    """silver.videos to the cards (shapes.Video) of those published; `totals` has video_id and TOTALS.

    `duration` is in seconds, 0.0 for a catalogue entry without media, whose length nobody knows. `published_at` is
    ISO 8601 in UTC: as a time it would become one of this machine's zone in Python.
    """
    none = F.lit(None).cast("bigint")
    counted = (
        videos.withColumns(dict.fromkeys(TOTALS, none))
        if totals is None
        else videos.join(totals.select("video_id", *TOTALS), on="video_id", how="left")
    )
    return published(counted).select(
        "video_id",
        "user_id",
        F.coalesce("title", F.lit("")).alias("title"),
        F.coalesce("hashtags", F.array().cast("array<string>")).alias("hashtags"),
        (F.coalesce("duration_ms", F.lit(0)) / 1000).cast("double").alias("duration"),
        F.date_format("published_at", "yyyy-MM-dd'T'HH:mm:ss'Z'").alias("published_at"),
        F.coalesce("views_total", F.lit(0)).alias("views"),
        F.coalesce("likes_total", F.lit(0)).alias("likes"),
        media_url("playback_path").alias("playback_url"),
        media_url("poster_path").alias("poster_url"),
        F.when(F.col("start_path").isNotNull(), _preload()).alias("preload"),
    )


def hand_over_cards(cards: DataFrame, url: str, night: date | None = None) -> None:
    """Write cards to the Redis at `url`, as of a night; without one each as of the day of its publication.

    By their own connection from each task: a catalogue never passes through one process.
    """
    from serving.feed_store.writer import FeedStore

    def write(rows: Iterator[Row]) -> None:
        with FeedStore(url) as store:
            store.write_videos(
                (row.asDict(recursive=True), night or date.fromisoformat(row["published_at"][:10])) for row in rows
            )

    cards.foreachPartition(write)


def _preload() -> Column:
    """shapes.Preload. The seconds are the video's own mean: no ranker says for how long one viewer will watch."""
    weights = [F.get("start_bytes", F.lit(place)).alias(str(n)) for place, n in enumerate(FIRST_SECONDS)]
    return F.struct(
        media_url("start_path").alias("playlist_url"),
        F.struct(*weights).alias("bytes"),
        F.round(F.col("share_watched_total") * F.col("duration_ms") / 1000, 1).alias("watch_seconds"),
    )


def media_url(path: str) -> Column:
    """Where the endpoint has what lies at a path of the media store; NULL where nothing does."""
    return F.when(F.col(path).isNotNull(), F.concat(F.lit(f"{MEDIA}/"), F.col(path)))
