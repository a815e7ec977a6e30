"""Which past moments to learn from: days on which a viewer was shown videos, or moments inside what they watched.

Belongs here: choosing moments, those that judge among them, their snapshots, and the label of what followed. Features
of the examples: examples.py.

Where impressions exist, a moment is the end of the night whose feed was shown, and the examples are what was shown of
it; what no kept night can have shown counts as shown by the night before its day. Where none exist (an import of
ratings), an example is a candidate as of a past moment, labelled by what its viewer watched next. Such moments lie
inside the history: of MovieLens' 610 people, 409 were active on one day only, and would otherwise teach nothing.

The newest moments judge and never teach. What judges is a whole list, so at these moments every candidate counts,
whether it was shown or not, and everything that the viewer watched from then on, whether a source proposed it or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.events.marks import is_marked
from jobs.events.watches import BELONGS, SKIPPED
from jobs.ranking.gate import ENOUGH_VIEWERS
from serving.feed_store.layout import NIGHT_OF_VERSION
from serving.interactions import EventType

# How far back impressions are examples, and how many of one viewer: nobody's habits outweigh everybody's.
LOOKBACK = timedelta(days=28)
PER_VIEWER = 400
# Without impressions: at which parts of a viewer's history, after how many watches, and how many watches are "next".
PARTS = (0.4, 0.6, 0.8)
ENOUGH = 5
NEXT_WATCHES = 30
# Similarities are computed once per snapshot; a moment knows the latest one at or before the start of its day.
SNAPSHOTS = 6
# A night learns from about this many examples, however many viewers there are: one process trains, and 600,000 rows of
# some 50 features are 120 MB as arrays.
BUDGET = 600_000
SHARES = 1_000_000
GOOD, VERY_GOOD, WHOLE = 0.6, 0.8, 0.99
# What a watch says for its video: the first of these that is so decides, and else it was watched in part.
GRADES = (
    ("is_not_interested", 0),
    ("is_reported", 0),
    ("is_shared", 4),
    ("is_followed", 4),
    ("is_liked", 3),
    ("is_finished", 2),
    ("is_skipped", 0),
)
IN_PART = 1
# What judges is taken from learning: a quarter of the moments for a verdict on CERTAIN viewers, among whom two systems
# are told apart that differ by 0.014 (docs/decisions/0011 has the deviations), and up to half of them for a verdict at
# all. At most JUDGING viewers are judged: each has a row in gold.examples for every candidate.
CERTAIN, A_QUARTER = 1_000, 0.25
AT_MOST = 0.5
JUDGING = 2_000


def sampled(rows: DataFrame, expected: int, budget: int = BUDGET) -> DataFrame:
    """The part of the rows (at least user_id, at) that leaves about `budget` of the `expected` examples.

    A viewer's moment stays or goes as a whole, by its hash: half of what somebody could choose from says nothing about
    order. The same moments stay whenever a night is run again, and of every day the same share.
    """
    if expected <= budget:
        return rows
    draw = F.pmod(F.xxhash64("user_id", F.unix_micros("at")), F.lit(SHARES))
    return rows.where(draw < budget * SHARES // expected)


def impressions(events: DataFrame) -> DataFrame:
    """The newest PER_VIEWER impressions of each viewer: user_id, video_id, shown_at, position, night_end.

    `night_end` is the instant up to which the feed knew its viewer, by its version; NULL where the version names no
    night, or one that was not over when the video was shown.
    """
    newest = Over.partitionBy("user_id").orderBy(F.col("shown_at").desc(), "video_id")
    night = F.try_to_timestamp(F.regexp_extract("feed_version", NIGHT_OF_VERSION, 1), F.lit("yyyyMMdd"))
    night_end = night + F.expr("INTERVAL 1 DAY")
    return (
        events.where(f"event_type = '{EventType.IMPRESSION}' AND user_id IS NOT NULL AND video_id IS NOT NULL")
        .select("user_id", "video_id", F.col("event_at").alias("shown_at"), "position", night_end.alias("night_end"))
        .groupBy("user_id", "video_id", "shown_at")
        .agg(
            F.min("position").alias("position"),
            F.max(F.when(F.col("night_end") <= F.col("shown_at"), F.col("night_end"))).alias("night_end"),
        )
        .withColumn("_n", F.row_number().over(newest))
        .where(F.col("_n") <= PER_VIEWER)
        .select("user_id", "video_id", "shown_at", "position", "night_end")
    )


def shown_at_moments(shown: DataFrame, nights: DataFrame | None) -> DataFrame:
    """The `impressions` with `at`: their night_end if that night proposed to the viewer, else the start of the day.

    `nights`: the moments (user_id, at) of the nights whose candidates are kept; None before the first night.
    """
    day = F.date_trunc("day", "shown_at")
    columns = ["user_id", "video_id", "shown_at", "position"]
    if nights is None:
        return shown.select(*columns, day.alias("at"))
    kept = nights.withColumnRenamed("at", "night_end").withColumn("kept", F.col("night_end"))
    return shown.join(kept, on=["user_id", "night_end"], how="left").select(
        *columns, F.coalesce("kept", day).alias("at")
    )


def labelled(shown: DataFrame, watches: DataFrame) -> DataFrame:
    """The impressions with label: 0 not watched or skipped, 1 in part, 2 finished, 3 liked, 4 shared or followed.

    What a marked watch followed is left out: nobody knows what a person would have made of it.
    """
    watch = watches.select(
        "user_id",
        "video_id",
        "started_at",
        F.struct(is_marked().alias("is_marked"), grade().alias("label")).alias("made"),
    )
    followed = shown.join(watch, on=["user_id", "video_id"], how="left").withColumn(
        "made",
        F.when(
            (F.col("started_at") >= F.col("shown_at")) & (F.col("started_at") < F.col("shown_at") + F.lit(BELONGS)),
            F.col("made"),
        ),
    )
    # The one that is marked is the highest, if any is.
    best = F.coalesce(F.max("made"), F.struct(F.lit(False).alias("is_marked"), F.lit(0).alias("label")))
    labels = followed.groupBy(*shown.columns).agg(best.alias("made")).where("NOT made.is_marked")
    return labels.select(*shown.columns, "made.label")


def grade() -> Column:
    """What a row of silver.watches says for its video: 0 a skip or a refusal, 1 in part, 2 finished, 3 liked, 4 shared
    or followed."""
    (flag, value), *others = GRADES
    graded = F.when(F.col(flag), value)
    for flag, value in others:
        graded = graded.when(F.col(flag), value)
    return graded.otherwise(IN_PART)


class Day(NamedTuple):
    """A day with moments: how many there are, and how many viewers have their newest one on it."""

    start: datetime
    moments: int
    viewers: int


def days_of(moments: DataFrame) -> list[Day]:
    """The days of the moments (user_id, at), newest first."""
    day = F.unix_timestamp(F.date_trunc("day", "at"))
    newest = F.max("day").over(Over.partitionBy("user_id"))
    last_seen = F.when(F.col("day") == F.col("newest"), F.col("user_id"))
    rows = (
        moments.select("user_id", day.alias("day"))
        .withColumn("newest", newest)
        .groupBy("day")
        .agg(F.count(F.lit(1)).alias("moments"), F.count_distinct(last_seen).alias("viewers"))
        .orderBy(F.col("day").desc())
        .collect()
    )
    return [Day(datetime.fromtimestamp(row["day"], UTC), row["moments"], row["viewers"]) for row in rows]


def judging_days(days: Sequence[Day]) -> list[Day]:
    """Of the days, newest first, those whose moments judge: the fewest that have CERTAIN viewers, within bounds."""
    total = sum(day.moments for day in days)
    chosen: list[Day] = []
    for day in days:
        viewers, moments = sum(d.viewers for d in chosen), sum(d.moments for d in chosen) + day.moments
        bound = AT_MOST if viewers < ENOUGH_VIEWERS else A_QUARTER
        if chosen and (viewers >= CERTAIN or moments > bound * total):
            break
        chosen.append(day)
    return chosen


def judging(moments: DataFrame, days: Sequence[Day]) -> DataFrame:
    """The moments on those days, of at most about JUDGING viewers, by a hash: other ones when the days are others."""
    begin, viewers = days[-1].start, sum(day.viewers for day in days)
    draw = F.pmod(F.xxhash64("user_id", F.lit(int(begin.timestamp()))), F.lit(SHARES))
    newest = moments.where(F.col("at") >= F.lit(begin))
    return newest if viewers <= JUDGING else newest.where(draw < JUDGING * SHARES // viewers)


def watched_after(watches: DataFrame, moments: DataFrame) -> DataFrame:
    """What each viewer first watched from a moment on, by its `grade` above 0: user_id, at, video_id, label 1..4."""
    graded = watches.select("user_id", "video_id", "started_at", grade().alias("label"))
    return (
        moments.join(graded, on="user_id", how="inner")
        .groupBy("user_id", "at", "video_id")
        .agg(F.min("started_at").alias("first"), F.max("label").alias("label"))
        .where("first >= at AND label > 0")
        .select("user_id", "at", "video_id", "label")
    )


def replayed(watched: DataFrame, shown: DataFrame) -> DataFrame:
    """Moments of viewers who were shown nothing: user_id, at, at the PARTS of their first watches, after ENOUGH."""
    viewers = watched.join(shown.select("user_id").distinct(), on="user_id", how="left_anti")
    total = viewers.groupBy("user_id").agg(F.max("n").alias("total"))
    parts = F.explode(F.array(*[F.floor(F.col("total") * part) for part in PARTS])).alias("before")
    starts = total.select("user_id", parts).where(F.col("before") >= ENOUGH)
    starts = starts.select("user_id", (F.col("before") + 1).cast("int").alias("n"))
    return viewers.join(starts, on=["user_id", "n"], how="left_semi").select("user_id", "at").distinct()


def watched_next(watched: DataFrame, moments: DataFrame) -> DataFrame:
    """The first NEXT_WATCHES watches from each moment on: user_id, at, video_id, label 0..4 by the share watched."""
    order = Over.partitionBy("user_id", "at").orderBy("n")
    later = watched.withColumnRenamed("at", "watched_at")
    label = (
        F.when(F.col("share") < SKIPPED, 0)
        .when(F.col("share") < GOOD, 1)
        .when(F.col("share") < VERY_GOOD, 2)
        .when(F.col("share") < WHOLE, 3)
        .otherwise(4)
    )
    return (
        moments.join(later, on="user_id", how="inner")
        .where("watched_at >= at")
        .withColumn("_order", F.row_number().over(order))
        .where(F.col("_order") <= NEXT_WATCHES)
        .select("user_id", "at", "video_id", label.alias("label"))
    )


def snapshots(moments: DataFrame) -> list[datetime]:
    """At most SNAPSHOTS starts of days, such that about as many moments lie after each; in order."""
    days = (
        moments.groupBy(F.unix_timestamp(F.date_trunc("day", "at")).alias("day"))
        .agg(F.count(F.lit(1)).alias("moments"))
        .orderBy("day")
        .collect()
    )
    per_snapshot = sum(row["moments"] for row in days) / SNAPSHOTS
    chosen: list[datetime] = []
    so_far = 0
    for row in days:
        if so_far >= len(chosen) * per_snapshot:
            chosen.append(datetime.fromtimestamp(row["day"], UTC))
        so_far += row["moments"]
    return chosen


def at_snapshots(moments: DataFrame, chosen: list[datetime]) -> DataFrame:
    """The moments (user_id, at) with snapshot_at, the latest of the chosen at or before the start of their day."""
    known = [F.when(F.lit(s) <= F.date_trunc("day", "at"), F.lit(s)) for s in reversed(chosen)]
    return moments.select("user_id", "at", F.coalesce(*known).alias("snapshot_at")).where("snapshot_at IS NOT NULL")
