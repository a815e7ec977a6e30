"""The state of an entity at the end of each day on which it changed, over sliding and lifetime windows, in one pass.

Belongs here: the windowing that all daily features share. What is counted for a user, a video or a hashtag:
outcomes.py, users.py, videos.py, hashtags.py.

The state over a sliding window of n days is a step function of the day: what happens on day a raises it on a and
lowers it on a + n. So a day's sums become signed steps on the days a, a + 7 and a + 28, and a running total over the
steps is the state. A reaction raises the state on its own day, which may be the day after its watch, and leaves with
its watch: a like is never known before it was given, and a span never has more likes than watches. The cost is linear
in active days, however long the gaps between them; and since every addend is an integer, the totals are exact and do
not depend on the order in which Spark adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.engine.lake import EmptyOutput, Lake
from jobs.engine.window import Window

SPANS = (7, 28)


class Counted(NamedTuple):
    """An integer to add up, and the time from which it counts: by default the start of its watch."""

    amount: Column
    at: Column | None = None


def daily_state(
    rows: DataFrame, key: str, sums: Mapping[str, Counted], distinct: Mapping[str, str], window: Window
) -> DataFrame:
    """One row per `key` and day of `window` on which a value may have changed.

    `rows`: watches with `key` and `started_at`, all of the entity's past. `sums`: what to add up, by name.
    `distinct`: columns whose different values to count, by name. Returns `key`, `event_date`, `valid_from`,
    `first_date`, `last_date` (of activity) and, for every name in `sums` and `distinct`, `<name>_7d`, `<name>_28d` and
    `<name>_total`, all bigint. Rows after the window change nothing in it.
    """
    steps = _steps(rows, key, sums, distinct)
    names = [*sums, *distinct]
    moved = (
        steps.withColumn("offset", F.explode(F.array(*[F.lit(offset) for offset in (0, *SPANS)])))
        .where("offset = 0 OR starts")
        .groupBy(key, F.date_add("day", F.col("offset")).alias("event_date"))
        .agg(
            F.max(F.when((F.col("offset") == 0) & F.col("starts"), F.col("day"))).alias("active_date"),
            *[F.sum(_moved(name, span)).alias(f"{name}_{span}d") for name in names for span in SPANS],
            *[F.sum(_at(0, f"{name}_first")).alias(f"{name}_total") for name in names],
        )
    )
    so_far = Over.partitionBy(key).orderBy("event_date").rowsBetween(Over.unboundedPreceding, Over.currentRow)
    windows = [*(f"{span}d" for span in SPANS), "total"]
    return (
        moved.select(
            key,
            "event_date",
            F.date_add("event_date", 1).cast("timestamp").alias("valid_from"),
            F.min("active_date").over(so_far).alias("first_date"),
            F.max("active_date").over(so_far).alias("last_date"),
            *[F.sum(f"{name}_{w}").over(so_far).alias(f"{name}_{w}") for name in names for w in windows],
        )
        # After the running totals, never before: they need every earlier day.
        .where((F.col("event_date") >= F.lit(window.start.date())) & (F.col("event_date") <= F.lit(window.day)))
    )


def replace_changes(lake: Lake, table: str, changes: DataFrame, window: Window) -> None:
    """Write the window's rows. On days that changed nothing there are none, and the newest row before them holds."""
    try:
        lake.replace(table, changes, window)
    except EmptyOutput:
        # Rows that were made and then refused are another matter.
        if not changes.isEmpty():
            raise


def _steps(rows: DataFrame, key: str, sums: Mapping[str, Counted], distinct: Mapping[str, str]) -> DataFrame:
    """Per `key` and `day`: what each name gains in a span, what leaves it a span later, what is there first.

    `starts`: whether a watch started on that day; on the others, later reactions only came to watches of before.
    """
    start = F.to_date("started_at")
    days = {name: start if at is None else F.to_date(at) for name, (_, at) in sums.items()}
    dated = rows.withColumn("day", F.explode(F.array_distinct(F.array(start, *days.values()))))
    dated = dated.withColumn("starts", F.col("day") == start)
    steps = [F.bool_or("starts").alias("starts")]
    for name, (amount, _) in sums.items():
        gained = F.sum(F.when(F.col("day") == days[name], amount).otherwise(0))
        left = F.sum(F.when(F.col("starts"), amount).otherwise(0))
        for span in SPANS:
            steps += [gained.alias(f"{name}_in_{span}"), left.alias(f"{name}_out_{span}")]
        steps.append(gained.alias(f"{name}_first"))
    for name, member in distinct.items():
        # A member counts once while its active days are less than a span apart: it enters after a gap and leaves
        # before one. Of several rows on one day, only the first sees the gap before and only the last the gap after.
        neighbours = Over.partitionBy(key, member, "starts").orderBy("day")
        since, until = f"{name}_since", f"{name}_until"
        dated = dated.withColumn(since, F.date_diff("day", F.lag("day").over(neighbours)))
        dated = dated.withColumn(until, F.date_diff(F.lead("day").over(neighbours), "day"))
        for span in SPANS:
            enters, leaves = (F.coalesce(F.col(gap) >= span, F.lit(True)) for gap in (since, until))
            steps.append(F.count_if(F.col("starts") & enters).alias(f"{name}_in_{span}"))
            steps.append(F.count_if(F.col("starts") & leaves).alias(f"{name}_out_{span}"))
        steps.append(F.count_if(F.col("starts") & F.col(since).isNull()).alias(f"{name}_first"))
    return dated.groupBy(key, "day").agg(*steps)


def _at(offset: int, column: str) -> Column:
    """The column on the day that lies `offset` days after the activity, 0 on the others."""
    return F.when(F.col("offset") == offset, F.col(column)).otherwise(0)


def _moved(name: str, span: int) -> Column:
    """What a window gains on a day, and loses when that day leaves it."""
    return _at(0, f"{name}_in_{span}") - _at(span, f"{name}_out_{span}")
