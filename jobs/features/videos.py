"""Daily features of a video: how it was watched, finished, liked and skipped, over 7 and 28 days and ever.

Belongs here: anything keyed by video_id and computed from watches. What the video itself shows or says: jobs/media/.
The windowing: changes.py.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.features.changes import daily_state, replace_changes
from jobs.features.outcomes import outcome_shares, outcomes


def video_daily(watches: DataFrame, window: Window) -> DataFrame:
    """silver.watches (all of the past) to the rows of gold.video_daily for the days of `window`."""
    return daily_state(watches, "video_id", outcomes("views"), {"viewers": "user_id"}, window).select(
        "video_id",
        "event_date",
        "valid_from",
        "views_7d",
        "views_28d",
        "views_total",
        "viewers_28d",
        "viewers_total",
        "finishes_28d",
        "skips_28d",
        "likes_28d",
        "likes_total",
        "shares_28d",
        "shares_total",
        *outcome_shares("views"),
        F.col("first_date").alias("first_view_date"),
        F.col("last_date").alias("last_view_date"),
    )


@job(every="day", reads=["silver.watches"], writes=["gold.video_daily"])
def run(lake: Lake, window: Window) -> None:
    watches = lake.read("silver.watches", until=window.end)
    replace_changes(lake, "gold.video_daily", video_daily(watches, window), window)
