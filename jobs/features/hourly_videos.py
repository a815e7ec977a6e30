"""Hourly counts of a video: who watched, finished, liked and shared it in each hour, and how fast that rises.

Belongs here: anything keyed by video_id and hour. What a declaration says: hourly.py. As of the end of a day:
videos.py.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from jobs.features.hourly import HourlyTable


def _watches(watches: DataFrame) -> DataFrame:
    return watches


VIDEO_HOURLY = HourlyTable("gold.video_hourly", rows=_watches)
run = VIDEO_HOURLY.job(__name__)
