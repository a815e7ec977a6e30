"""What rises now: videos, hashtags and sounds that far more people watch than their own past lets expect, by the hour.

Belongs here: the kinds of things that may trend, which of them are listed, and why each. What a rise is: rises.py. Who
counts: independent.py. Handing the lists to the endpoint: jobs/feeds/trending.py.

Any id may rise, a video of today and one of last year. The counts of all come from the hourly tables; only the few that
rise by these are looked at person by person, so that an hour costs its own watches and a week of those people's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.engine.frames import frame_of
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import EPOCH, HOUR, Window
from jobs.events.marks import unmarked
from jobs.features.hashtags import tagged
from jobs.features.hourly_sounds import UPLOADS, sounding
from jobs.features.independent import NEW_D, OF, counted
from jobs.features.rises import LATELY, PAST_D, SPAN, hour_number, rises, score
from jobs.features.tables import WATCHES
from jobs.media.status import published
from serving.feed_store.shapes import TrendingKind

VIDEOS, TRENDING = "silver.videos", "gold.trending"
# Rises from so many standard deviations on are listed, and no more of them than that.
LEAST_SCORE, MOST = 2.3, 100
# Fewer people than that are an accident, whatever was expected: in weighted people (rises.py).
LEAST_PEOPLE = 5.0
# As many as are looked at person by person, and as many videos as one creator may have listed.
LOOKED_AT, OF_A_CREATOR = 300, 2


@dataclass(frozen=True)
class Kind:
    """Things that may trend: `counts` has the `viewers` of each `id` by the hour.

    `rows` makes, of silver.watches and the tables named in `beside`, the watches of each.
    """

    name: TrendingKind
    counts: str
    id: str
    rows: Callable[..., DataFrame]
    beside: tuple[str, ...] = ()

    def hourly(self, lake: Lake, window: Window) -> DataFrame:
        """id, hour and count of the table of this kind, for the hours that a run for the window looks back on."""
        rows = lake.read(self.counts, since=window.start - (SPAN - 1) * HOUR, until=window.end)
        return rows.where("viewers > 0").select(
            F.col(self.id).alias("id"), hour_number("hour_start").alias("hour"), F.col("viewers").alias("count")
        )


KINDS = (
    Kind(TrendingKind.VIDEOS, "gold.video_hourly", "video_id", lambda watches: watches),
    Kind(TrendingKind.HASHTAGS, "gold.hashtag_hourly", "hashtag", tagged, (VIDEOS,)),
    Kind(TrendingKind.SOUNDS, "gold.sound_hourly", "sound_id", sounding, (UPLOADS,)),
)
BESIDE = {VIDEOS, *(table for kind in KINDS for table in kind.beside)}


def trending(
    counts: Mapping[TrendingKind, DataFrame],
    watches: DataFrame,
    beside: Mapping[str, DataFrame],
    listed: DataFrame,
    window: Window,
) -> DataFrame:
    """The rows of gold.trending for the hours of the window.

    `counts`: of each kind, as from `Kind.hourly`. `watches` (silver.watches) and `listed` (gold.trending) go
    back to NEW_D days before the window; of the lists that it makes itself a longer window knows none. `beside`: the
    tables of BESIDE.
    """
    hours = [(start - EPOCH) // HOUR for start in window.hours]
    asked = frame_of(watches.sparkSession, "at BIGINT", [(hour,) for hour in hours])
    # By one job that leaves no plan behind: all that follows would plan, and run, these counts anew.
    risen = reduce(DataFrame.unionByName, [_risen(kind, counts[kind.name], asked) for kind in KINDS]).localCheckpoint()
    creators = published(beside[VIDEOS]).select("video_id", F.col("user_id").alias("creator_id"))
    first = counts[TrendingKind.VIDEOS].agg(F.min("hour").alias("began")).first()
    began = first["began"] if first and first["began"] is not None else max(hours)
    shown = listed.where(F.col("kind") == TrendingKind.VIDEOS).select(
        F.col("id").alias("video_id"), hour_number("hour_start").alias("hour")
    )
    lately = watches.where(F.col("started_at") >= F.lit(window.start - (LATELY - 1) * HOUR))
    people = counted(_people(risen, lately, beside, creators), watches, shown, began).localCheckpoint()
    made_by = creators.select(F.lit(TrendingKind.VIDEOS).alias("kind"), F.col("video_id").alias("id"), "creator_id")
    of_creator = Over.partitionBy("kind", "at", F.coalesce("creator_id", "id")).orderBy(F.col("score").desc(), "id")
    in_order = Over.partitionBy("kind", "at").orderBy(F.col("score").desc(), "id")
    return (
        risen.drop("lately", "score")
        .join(people, on=[*OF], how="inner")
        .withColumn("score", score(F.col("lately"), F.col("expected"), F.col("certainty")))
        .where((F.col("score") >= LEAST_SCORE) & (F.col("lately") >= LEAST_PEOPLE))
        .join(made_by, on=["kind", "id"], how="left")
        .withColumn("nth", F.row_number().over(of_creator))
        .where(F.col("nth") <= OF_A_CREATOR)
        .withColumn("rank", F.row_number().over(in_order))
        .where(F.col("rank") <= MOST)
        .select(
            "kind",
            "id",
            F.timestamp_seconds(F.col("at") * 3600).alias("hour_start"),
            "rank",
            "score",
            "people",
            "not_counted",
            "lately",
            "expected",
            _reason().alias("reason"),
        )
    )


def _risen(kind: Kind, counts: DataFrame, asked: DataFrame) -> DataFrame:
    """The ids of a kind that rise by their counts alone, the LOOKED_AT that do most at each hour."""
    most = Over.partitionBy("at").orderBy(F.col("score").desc(), "id")
    return (
        rises(counts, asked)
        .where(F.col("lately") >= LEAST_PEOPLE)
        .withColumn("score", score(F.col("lately"), F.col("expected"), F.col("certainty")))
        .where(F.col("score") >= LEAST_SCORE)
        .withColumn("nth", F.row_number().over(most))
        .where(F.col("nth") <= LOOKED_AT)
        .drop("nth")
        .withColumn("kind", F.lit(kind.name))
    )


def _people(risen: DataFrame, watches: DataFrame, beside: Mapping[str, DataFrame], creators: DataFrame) -> DataFrame:
    """Who watched what rises, in the hours that count for it: the rows that `counted` takes."""
    rows = [
        kind.rows(watches, *[beside[table] for table in kind.beside]).select(
            F.lit(kind.name).alias("kind"),
            F.col(kind.id).alias("id"),
            "video_id",
            "user_id",
            hour_number("started_at").alias("hour"),
        )
        for kind in KINDS
    ]
    return (
        reduce(DataFrame.unionByName, rows)
        .join(F.broadcast(risen.select(*OF)), on=["kind", "id"], how="inner")
        .where(F.col("hour").between(F.col("at") - LATELY + 1, F.col("at")))
        .join(creators, on="video_id", how="inner")
        .select(*OF, "user_id", "creator_id", "hour")
        .distinct()
    )


def _reason() -> Column:
    """Why an id is listed, as a sentence for whoever looks at the list."""
    times = F.col("lately") / F.col("expected")
    many = F.when(times > 100, F.lit("more than 100")).otherwise(F.format_number(times, 1))
    days = F.floor(F.col("age") / 24)
    since = (
        F.when(days >= PAST_D - 1, F.lit("watched for weeks"))
        .when(days >= 2, F.format_string("watched for %d days", days))
        .otherwise(F.lit("not watched in the weeks before"))
    )
    left_out = F.when(F.col("not_counted") > 0, F.format_string("; %d who act together are not counted", "not_counted"))
    return F.concat(
        F.format_string("watched by %d people within half a day, ", "people"),
        many,
        F.lit(" times as much as is usual, "),
        since,
        F.coalesce(left_out, F.lit("")),
    )


@job(every="hour", reads=[WATCHES, *sorted(BESIDE), *(kind.counts for kind in KINDS), TRENDING], writes=[TRENDING])
def run(lake: Lake, window: Window) -> None:
    """Replace the window's lists, which are empty where nothing rises.

    Where nobody ever watched anything, or the hours before are not held any more, there is nothing to replace them by.
    """
    counts = {kind.name: kind.hourly(lake, window) for kind in KINDS}
    if counts[TrendingKind.VIDEOS].isEmpty():
        return
    lake.create(TRENDING)
    since = window.start - timedelta(days=NEW_D)
    watches, listed = (lake.read(table, since=since, until=window.end) for table in (WATCHES, TRENDING))
    beside = {table: lake.read(table) for table in BESIDE}
    rows = trending(counts, unmarked(watches), beside, listed.where(F.col("hour_start") < F.lit(window.start)), window)
    lake.replace(TRENDING, rows, window, empty_is_a_fact=True)
