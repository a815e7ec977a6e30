"""Daily features of a hashtag: how the videos that carry it were watched, over 7 and 28 days and ever.

Belongs here: anything keyed by hashtag. One viewer's taste for a hashtag is a table of its own, not a column here.
The windowing: changes.py.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.features.changes import daily_state, replace_changes
from jobs.features.outcomes import outcome_shares, outcomes


def dated_hashtags() -> Column:
    """Of a row of silver.videos: an array of its different hashtags, in order of spelling, as (hashtag, given_at).

    `given_at` is NULL where the hashtag came with the video.
    """

    def dated(tag: Column) -> Column:
        # Places count from 1, and a place is NULL where there are no times.
        given_at = F.element_at("hashtags_at", F.array_position("hashtags", tag).cast("int"))
        return F.struct(tag.alias("hashtag"), given_at.alias("given_at"))

    known = F.coalesce("hashtags", F.array().cast("array<string>"))
    return F.transform(F.array_sort(F.array_distinct(known)), dated)


def hashtag_daily(watches: DataFrame, videos: DataFrame, window: Window) -> DataFrame:
    """silver.watches (all of the past) and silver.videos to the rows of gold.hashtag_daily for the days of `window`.

    A watch counts once for each different hashtag that its video had by then.
    """
    tagged = videos.select("video_id", F.explode(dated_hashtags()).alias("tag")).select("video_id", "tag.*")
    rows = watches.join(tagged, on="video_id", how="inner").where("given_at IS NULL OR given_at <= started_at")
    return daily_state(rows, "hashtag", outcomes("views"), {"viewers": "user_id", "videos": "video_id"}, window).select(
        "hashtag",
        "event_date",
        "valid_from",
        "views_7d",
        "views_28d",
        "views_total",
        "viewers_28d",
        "videos_28d",
        "videos_total",
        "finishes_28d",
        "skips_28d",
        "likes_28d",
        "shares_28d",
        *outcome_shares("views"),
        F.col("first_date").alias("first_view_date"),
        F.col("last_date").alias("last_view_date"),
    )


@job(every="day", reads=["silver.watches", "silver.videos"], writes=["gold.hashtag_daily"])
def run(lake: Lake, window: Window) -> None:
    watches = lake.read("silver.watches", until=window.end)
    videos = lake.read("silver.videos")
    replace_changes(lake, "gold.hashtag_daily", hashtag_daily(watches, videos, window), window)
