"""Daily features of a creator: how their videos were watched, and by how many, over 7 and 28 days and ever.

Belongs here: anything keyed by creator_id. One viewer's taste for a creator: user_creators.py. What a declaration says:
tables.py. The arithmetic of spans: changes.py.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.features.outcomes import outcome_shares, outcomes, smoothed_rates
from jobs.features.tables import FeatureTable


def with_creator(watches: DataFrame, videos: DataFrame) -> DataFrame:
    """Watches (at least video_id) and silver.videos to the watches with `creator_id`."""
    creators = videos.select("video_id", F.col("user_id").alias("creator_id"))
    return watches.join(creators, on="video_id", how="inner")


CREATOR_DAILY = FeatureTable(
    "gold.creator_daily",
    rows=with_creator,
    beside=("silver.videos",),
    sums=outcomes("views"),
    distinct={"viewers": "user_id", "videos": "video_id"},
    extra={
        **outcome_shares("views"),
        **smoothed_rates("views"),
        "breadth_{span}": "round(try_divide(viewers_{span}, views_{span}), 6)",
        "first_view_date": "first_date",
        "last_view_date": "last_date",
    },
)
run = CREATOR_DAILY.job(__name__)
