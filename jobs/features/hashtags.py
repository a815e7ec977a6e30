"""Daily features of a hashtag: how the videos that carry it were watched, over 7 and 28 days and ever.

Belongs here: anything keyed by hashtag. One viewer's taste for a hashtag is a table of its own, not a column here.
What a declaration says: tables.py. The arithmetic of spans: changes.py.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.features.outcomes import outcome_shares, outcomes
from jobs.features.tables import FeatureTable


def dated_hashtags() -> Column:
    """Of a row of silver.videos: an array of its different hashtags, in order of spelling, as (hashtag, given_at).

    `given_at` is NULL where the hashtag came with the video.
    """

    def dated(tag: Column) -> Column:
        # Places count from 1, and a place is NULL where there are no times.
        given_at = F.element_at("hashtags_at", F.array_position("hashtags", tag).cast("int"))
        return F.struct(tag.alias("hashtag"), given_at.alias("given_at"))

    known = F.coalesce("hashtags", F.array().cast("array<string>"))
    return F.transform(F.array_sort(F.array_distinct(known)), dated)


def tagged(watches: DataFrame, videos: DataFrame) -> DataFrame:
    """silver.watches and silver.videos to the watches with `hashtag`, one for each that the video had by then."""
    tags = videos.select("video_id", F.explode(dated_hashtags()).alias("tag")).select("video_id", "tag.*")
    return watches.join(tags, on="video_id", how="inner").where("given_at IS NULL OR given_at <= started_at")


HASHTAG_DAILY = FeatureTable(
    "gold.hashtag_daily",
    rows=tagged,
    beside=("silver.videos",),
    sums=outcomes("views"),
    distinct={"viewers": "user_id", "videos": "video_id"},
    extra={**outcome_shares("views"), "first_view_date": "first_date", "last_view_date": "last_date"},
)
run = HASHTAG_DAILY.job(__name__)
