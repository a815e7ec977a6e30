"""Hourly counts of a hashtag: how the videos that carry it were watched in each hour, and how fast that rises.

Belongs here: anything keyed by hashtag and hour. What a declaration says: hourly.py. As of the end of a day:
hashtags.py.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from jobs.features.creators import with_creator
from jobs.features.hashtags import tagged
from jobs.features.hourly import HourlyTable


def _tagged(watches: DataFrame, videos: DataFrame) -> DataFrame:
    return with_creator(tagged(watches, videos), videos)


HASHTAG_HOURLY = HourlyTable(
    "gold.hashtag_hourly",
    rows=_tagged,
    beside=("silver.videos",),
    distinct={"videos": "video_id", "creators": "creator_id"},
)
run = HASHTAG_HOURLY.job(__name__)
