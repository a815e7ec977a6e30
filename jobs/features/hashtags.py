"""Daily features of a hashtag: how the videos that carry it were watched, over 7 and 28 days and ever.

Belongs here: anything keyed by hashtag. One viewer's taste for a hashtag is a table of its own, not a column here.
The windowing: changes.py.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.features.changes import daily_state, replace_changes
from jobs.features.outcomes import outcome_shares, outcomes
from jobs.job import Window, job
from jobs.lake import Lake


def hashtag_daily(watches: DataFrame, videos: DataFrame, window: Window) -> DataFrame:
    """silver.watches (all of the past) and silver.videos to the rows of gold.hashtag_daily for the days of `window`.

    A watch counts once for each different hashtag of its video.
    """
    tagged = videos.select("video_id", F.explode(F.array_distinct("hashtags")).alias("hashtag"))
    rows = watches.join(tagged, on="video_id", how="inner")
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
