"""The feed of whoever has none of their own: what many watch, and what is new.

Belongs here: which videos, and in which order. Publishing it: publish.py.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.ranking.sources.fresh import FRESH_VIEWERS, NEW_HERE
from jobs.ranking.sources.popular import EVER_D, WINDOWS
from jobs.ranking.spacing import SLOTS
from serving.feed_store.shapes import Slot

# The order for strangers: most viewers in the last 28 days, then ever. Every FRESH_EVERY-th slot is for a new video:
# by popularity alone none would ever be seen.
POPULARITY = ("viewers_28d", "viewers_total")
FRESH_EVERY = 5
SLOT = tuple(Slot.model_fields)


def fallback(videos: DataFrame, counts: DataFrame) -> DataFrame:
    """The feed for strangers, rows of SLOT by position: what most watched lately, then ever, then the newest.

    Every FRESH_EVERY-th slot has a new video that few have seen, of another creator each as far as there are.
    """
    popular = Over.orderBy(
        *[F.coalesce(c, F.lit(0)).desc() for c in POPULARITY], F.col("published_at").desc(), "video_id"
    )
    of_creator = Over.partitionBy("user_id", "is_fresh").orderBy(F.col("published_at").desc(), "video_id")
    fresh = Over.partitionBy("is_fresh").orderBy("turn", F.col("published_at").desc(), "video_id")
    best = Over.orderBy("place", "video_id")
    return (
        videos.join(counts.select("video_id", *POPULARITY), on="video_id", how="left")
        .withColumn("is_fresh", F.coalesce("viewers_total", F.lit(0)) < FRESH_VIEWERS)
        .withColumn("turn", F.row_number().over(of_creator))
        .withColumn("by_popularity", F.row_number().over(popular))
        # The popular ones fill the places between those of the fresh ones.
        .withColumn("by_popularity", F.expr(f"by_popularity + (by_popularity - 1) DIV {FRESH_EVERY - 1}"))
        .withColumn("by_freshness", F.when(F.col("is_fresh"), F.row_number().over(fresh) * FRESH_EVERY))
        .withColumn("place", F.least("by_popularity", "by_freshness"))
        .withColumn("position", F.row_number().over(best) - 1)
        .where(F.col("position") < SLOTS)
        .withColumn("propensity", F.lit(None).cast("double"))
        .withColumn(
            "reason",
            F.when(F.col("by_freshness") < F.col("by_popularity"), NEW_HERE)
            .when(F.col("viewers_28d") > 0, WINDOWS[28])
            .when(F.col("viewers_total") > 0, WINDOWS[EVER_D])
            .otherwise(NEW_HERE),
        )
        .orderBy("position")
        .select(*SLOT)
    )
