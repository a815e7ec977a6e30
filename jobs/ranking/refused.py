"""What each viewer refused: videos that they said do not interest them, or reported.

Belongs here: refusals as a table. silver.watches knows of those that followed a view; most come without one, and stand
in bronze.events only. Who leaves them out: sources/ (what is proposed), jobs/feeds/publish.py (what is served).
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from serving.interactions import REFUSALS


def refusals(events: DataFrame) -> DataFrame:
    """bronze.events to one row per viewer and video refused: user_id, video_id, at (when first)."""
    refused = events.where(F.col("event_type").isin(*REFUSALS))
    return refused.groupBy("user_id", "video_id").agg(F.min("event_at").alias("at"))
