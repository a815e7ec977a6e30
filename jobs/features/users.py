"""Daily features of a viewer: what they watched, finished, liked and skipped, over 7 and 28 days and ever.

Belongs here: anything keyed by user_id and computed from watches. The windowing itself: changes.py.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.features.changes import Counted, daily_state, replace_changes
from jobs.features.outcomes import outcome_shares, outcomes


def user_daily(watches: DataFrame, window: Window) -> DataFrame:
    """silver.watches (all of the past) to the rows of gold.user_daily for the days of `window`."""
    dated = watches.withColumn("active_day", F.to_date("started_at"))
    sums = {**outcomes("watches"), "watch_ms": Counted(F.coalesce(F.col("watch_ms"), F.lit(0)))}
    return daily_state(dated, "user_id", sums, {"active_days": "active_day"}, window).select(
        "user_id",
        "event_date",
        "valid_from",
        "watches_7d",
        "watches_28d",
        "watches_total",
        "watch_ms_28d",
        "finishes_28d",
        "skips_28d",
        "likes_28d",
        "shares_28d",
        "active_days_28d",
        "active_days_total",
        *outcome_shares("watches"),
        F.col("first_date").alias("first_watch_date"),
        F.col("last_date").alias("last_watch_date"),
    )


@job(every="day", reads=["silver.watches"], writes=["gold.user_daily"])
def run(lake: Lake, window: Window) -> None:
    watches = lake.read("silver.watches", until=window.end)
    replace_changes(lake, "gold.user_daily", user_daily(watches, window), window)
