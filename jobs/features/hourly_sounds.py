"""Hourly counts of a sound: how the videos that use it were watched in each hour, and how fast that rises.

Belongs here: anything keyed by sound and hour. A video that brings its own sound is none of these. What a declaration
says: hourly.py.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.features.hourly import HourlyTable

UPLOADS = "bronze.uploads"


def sounding(watches: DataFrame, uploads: DataFrame) -> DataFrame:
    """silver.watches and bronze.uploads to the watches of videos that use a sound, with `sound_id` and `creator_id`."""
    of_videos = uploads.where("sound_id IS NOT NULL").select(
        F.col("upload_id").alias("video_id"), "sound_id", F.col("user_id").alias("creator_id")
    )
    return watches.join(of_videos, on="video_id", how="inner")


SOUND_HOURLY = HourlyTable(
    "gold.sound_hourly",
    rows=sounding,
    beside=(UPLOADS,),
    distinct={"videos": "video_id", "creators": "creator_id"},
)
run = SOUND_HOURLY.job(__name__)
