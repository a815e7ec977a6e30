"""What each viewer refused: videos that do not interest them, or that they reported; whom and what they muted.

Belongs here: refusals and mutes as tables. silver.watches knows of those that followed a view; most come without one,
and stand in bronze.events only. A marked watch teaches nothing, but its video was seen. Who leaves them out: sources/
(what is proposed), jobs/feeds/publish.py (what is served).
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.events.marks import is_marked
from serving.interactions import MUTES, OF_CREATORS, OF_HASHTAGS, REFUSALS


def refusals(events: DataFrame) -> DataFrame:
    """bronze.events to one row per viewer and video refused: user_id, video_id, at (when first)."""
    refused = events.where(F.col("event_type").isin(*REFUSALS))
    return refused.groupBy("user_id", "video_id").agg(F.min("event_at").alias("at"))


def mutes(events: DataFrame) -> DataFrame:
    """bronze.events to what viewers muted and unmuted: user_id, video_id, at, hashtag, is_muted.

    A hashtag is NULL where it is about the creator of the video. The newest row of each holds.
    """
    return events.where(F.col("event_type").isin(*OF_CREATORS, *OF_HASHTAGS)).select(
        "user_id",
        "video_id",
        F.col("event_at").alias("at"),
        "hashtag",
        F.col("event_type").isin(*MUTES).alias("is_muted"),
    )


def muted_of(slots: DataFrame, mutes: DataFrame, videos: DataFrame) -> DataFrame:
    """Of `slots` (user_id, video_id) those that show what their viewer has muted.

    `mutes` as above; `videos` has video_id, creator and hashtags of all that they, or the slots, name.
    """
    made = videos.select("video_id", F.col("creator").alias("muted_creator"))
    about = F.when(F.col("hashtag").isNull(), F.col("muted_creator"))
    subject = ["user_id", "muted", "hashtag"]
    newest = F.max_by("is_muted", F.struct("at", "is_muted"))
    in_force = (
        mutes.join(made, on="video_id", how="left")
        .withColumn("muted", about)
        .groupBy(*subject)
        .agg(newest.alias("is_muted"))
        .where("is_muted AND (muted IS NOT NULL OR hashtag IS NOT NULL)")
        .select(*subject)
    )
    shown = slots.select("user_id", "video_id").join(videos, on="video_id", how="inner")
    is_theirs = "creator = muted OR array_contains(hashtags, hashtag)"
    return shown.join(in_force, on="user_id", how="inner").where(is_theirs).select("user_id", "video_id").distinct()


def kept_away(events: DataFrame, watches: DataFrame) -> DataFrame:
    """All that may not be proposed to viewers beside what counts as watched: never_again and mutes, side by side."""
    return never_again(events, watches).unionByName(mutes(events), allowMissingColumns=True)


def never_again(events: DataFrame, watches: DataFrame) -> DataFrame:
    """What may not be proposed beside what counts as watched: refusals, and the videos of marked watches, likewise."""
    seen = watches.where(is_marked()).select("user_id", "video_id", F.col("started_at").alias("at"))
    both = refusals(events).unionByName(seen)
    return both.groupBy("user_id", "video_id").agg(F.min("at").alias("at"))
