"""What each viewer had watched before a moment: the ground that candidates and examples stand on.

Belongs here: first watches, moments and histories, all cut in time so that nothing after a moment is visible to it.
What is proposed from them: sources.py. Features of viewers and videos by day: jobs/features/.

A moment is a row `user_id, at, snapshot_at`: one viewer at one instant, for whom what others did is known up to
`snapshot_at <= at`. Tonight has one moment per viewer; a training night has several per viewer, in the past.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

# The newest watches that speak for a viewer; older ones hardly weigh (see sources.RECENT).
HISTORY = 30
# A watch of which nobody knows how much was seen says less than a finished one and more than a skipped one.
UNKNOWN_SHARE = 0.5


def first_watches(watches: DataFrame) -> DataFrame:
    """silver.watches to one row per viewer and video: user_id, video_id, at, share (0..1), n (1 = their first video).

    The first watch, not the last: what was the first before a moment stays it whatever comes later, so a table of
    first watches can be cut at any moment without another pass.
    """
    share = F.least(F.coalesce("share_watched", F.lit(UNKNOWN_SHARE)), F.lit(1.0))
    first = watches.groupBy("user_id", "video_id").agg(F.min(F.struct("started_at", share.alias("share"))).alias("w"))
    order = Over.partitionBy("user_id").orderBy("at", "video_id")
    return (
        first.select("user_id", "video_id", F.col("w.started_at").alias("at"), F.col("w.share").alias("share"))
        .withColumn("n", F.row_number().over(order))
        .select("user_id", "video_id", "at", "share", "n")
    )


def history(watched: DataFrame, moments: DataFrame) -> DataFrame:
    """The newest HISTORY watches before each moment: the moment, video_id, share, recency (1 = newest)."""
    newest = Over.partitionBy("user_id", "at").orderBy(F.col("n").desc())
    before = watched.withColumnRenamed("at", "watched_at")
    return (
        moments.join(before, on="user_id", how="inner")
        .where("watched_at < at")
        .withColumn("recency", F.row_number().over(newest))
        .where(F.col("recency") <= HISTORY)
        .select("user_id", "at", "snapshot_at", "video_id", "share", "recency")
    )


def unseen(proposals: DataFrame, watched: DataFrame, videos: DataFrame) -> DataFrame:
    """The proposals (user_id, at, video_id, ...) of published videos that the viewer had not watched before `at`."""
    published = videos.where("status = 'published'").select("video_id", "published_at")
    seen = watched.select("user_id", "video_id", F.col("at").alias("watched_at"))
    mine = proposals["user_id"] == seen["user_id"]
    same = proposals["video_id"] == seen["video_id"]
    left = proposals.join(seen, on=mine & same & (seen["watched_at"] < proposals["at"]), how="left_anti")
    return left.join(F.broadcast(published), on="video_id", how="inner").where("published_at <= at").drop("published_at")
