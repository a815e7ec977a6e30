"""The state of an entity at the end of each day on which it changed, over spans of days and ever, in one pass.

Belongs here: the arithmetic of spans, which all feature tables share. What a table counts, and which columns it keeps:
tables.py, and the modules that declare one.

The state over a span of n days is a step function of the day: what happens on day a raises it on a and lowers it on
a + n. So a day's sums become signed steps on that day and on those on which it leaves a span, and a running total over
the steps is the state. A reaction raises the state on its own day, which may be the day after its watch, and leaves
with its watch: a like is never known before it was given, and a span never has more likes than watches. The cost is
linear in active days, however long the gaps between them; and since every addend is an integer, the totals are exact
and do not depend on the order in which Spark adds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.engine.window import Window

# The span that nothing leaves.
TOTAL = "total"


class Counted(NamedTuple):
    """An integer to add up, and the time from which it counts, by default the start of its watch; both are Spark SQL.

    As text, since a Column needs a Spark session and a declaration is made where there is none.
    """

    amount: str
    at: str | None = None


def daily_state(
    rows: DataFrame,
    keys: Sequence[str],
    sums: Mapping[str, Counted],
    distinct: Mapping[str, str],
    spans: Sequence[int],
    window: Window,
) -> DataFrame:
    """One row per entity, which `keys` identify, and day of `window` on which a value may have changed.

    `rows`: watches with `keys` and `started_at`, all of the entity's past. `sums`: what to add up, by name.
    `distinct`: Spark SQL whose different values to count, by name. `spans`: how many days each one has.
    Returns `keys`, `event_date`, `valid_from`, `first_date`, `last_date` (of activity) and, for every name in `sums`
    and `distinct`, `<name>_<days>d` for each span and `<name>_total`, all bigint. Rows after the window change nothing
    in it.
    """
    steps = _steps(rows, keys, sums, distinct, spans)
    names = [*sums, *distinct]
    moved = (
        steps.withColumn("offset", F.explode(F.array(*[F.lit(offset) for offset in (0, *spans)])))
        .where("offset = 0 OR starts")
        .groupBy(*keys, F.date_add("day", F.col("offset")).alias("event_date"))
        .agg(
            F.max(F.when((F.col("offset") == 0) & F.col("starts"), F.col("day"))).alias("active_date"),
            *[F.sum(_moved(name, span)).alias(f"{name}_{span}d") for name in names for span in spans],
            *[F.sum(_at(0, f"{name}_first")).alias(f"{name}_{TOTAL}") for name in names],
        )
    )
    so_far = Over.partitionBy(*keys).orderBy("event_date").rowsBetween(Over.unboundedPreceding, Over.currentRow)
    return (
        moved.select(
            *keys,
            "event_date",
            F.date_add("event_date", 1).cast("timestamp").alias("valid_from"),
            F.min("active_date").over(so_far).alias("first_date"),
            F.max("active_date").over(so_far).alias("last_date"),
            *[F.sum(f"{name}_{s}").over(so_far).alias(f"{name}_{s}") for name in names for s in span_names(spans)],
        )
        # After the running totals, never before: they need every earlier day.
        .where((F.col("event_date") >= F.lit(window.start.date())) & (F.col("event_date") <= F.lit(window.day)))
    )


def span_names(spans: Sequence[int]) -> list[str]:
    """What the columns of a name end in: 7d for the span of seven days, total for what nothing leaves."""
    return [*(f"{span}d" for span in spans), TOTAL]


def _steps(
    rows: DataFrame,
    keys: Sequence[str],
    sums: Mapping[str, Counted],
    distinct: Mapping[str, str],
    spans: Sequence[int],
) -> DataFrame:
    """Per entity and `day`: what each name gains in a span, what leaves it a span later, what is there first.

    `starts`: whether a watch started on that day; on the others, later reactions only came to watches of before.
    """
    start = F.to_date("started_at")
    days = {name: start if at is None else F.to_date(F.expr(at)) for name, (_, at) in sums.items()}
    dated = rows.withColumn("day", F.explode(F.array_distinct(F.array(start, *days.values()))))
    dated = dated.withColumn("starts", F.col("day") == start)
    steps = [F.bool_or("starts").alias("starts")]
    for name, (amount, _) in sums.items():
        gained = F.sum(F.when(F.col("day") == days[name], F.expr(amount)).otherwise(0))
        left = F.sum(F.when(F.col("starts"), F.expr(amount)).otherwise(0))
        for span in spans:
            steps += [gained.alias(f"{name}_in_{span}"), left.alias(f"{name}_out_{span}")]
        steps.append(gained.alias(f"{name}_first"))
    for name, member in distinct.items():
        # A member counts once while its active days are less than a span apart: it enters after a gap and leaves
        # before one. Of several rows on one day, only the first sees the gap before and only the last the gap after.
        neighbours = Over.partitionBy(*keys, F.expr(member), "starts").orderBy("day")
        since, until = f"{name}_since", f"{name}_until"
        dated = dated.withColumn(since, F.date_diff("day", F.lag("day").over(neighbours)))
        dated = dated.withColumn(until, F.date_diff(F.lead("day").over(neighbours), "day"))
        for span in spans:
            enters, leaves = (F.coalesce(F.col(gap) >= span, F.lit(True)) for gap in (since, until))
            steps.append(F.count_if(F.col("starts") & enters).alias(f"{name}_in_{span}"))
            steps.append(F.count_if(F.col("starts") & leaves).alias(f"{name}_out_{span}"))
        steps.append(F.count_if(F.col("starts") & F.col(since).isNull()).alias(f"{name}_first"))
    return dated.groupBy(*keys, "day").agg(*steps)


def _at(offset: int, column: str) -> Column:
    """The column on the day that lies `offset` days after the activity, 0 on the others."""
    return F.when(F.col("offset") == offset, F.col(column)).otherwise(0)


def _moved(name: str, span: int) -> Column:
    """What a span gains on a day, and loses when that day leaves it."""
    return _at(0, f"{name}_in_{span}") - _at(span, f"{name}_out_{span}")
