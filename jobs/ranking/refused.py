"""What each viewer refused: videos that they said do not interest them, or reported; and what they saw all the same.

Belongs here: refusals as a table. silver.watches knows of those that followed a view; most come without one, and stand
in bronze.events only. A marked watch teaches nothing, but its video was seen. Who leaves them out: sources/ (what is
proposed), jobs/feeds/publish.py (what is served).
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.events.marks import is_marked
from serving.interactions import REFUSALS


def refusals(events: DataFrame) -> DataFrame:
    """bronze.events to one row per viewer and video refused: user_id, video_id, at (when first)."""
    refused = events.where(F.col("event_type").isin(*REFUSALS))
    return refused.groupBy("user_id", "video_id").agg(F.min("event_at").alias("at"))


def never_again(events: DataFrame, watches: DataFrame) -> DataFrame:
    """What may not be proposed beside what counts as watched: refusals, and the videos of marked watches, likewise."""
    seen = watches.where(is_marked()).select("user_id", "video_id", F.col("started_at").alias("at"))
    both = refusals(events).unionByName(seen)
    return both.groupBy("user_id", "video_id").agg(F.min("at").alias("at"))
