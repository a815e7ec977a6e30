"""The state of an entity at the end of each day on which it changed, over spans of days and ever, in one pass.

Belongs here: the arithmetic of spans, which all feature tables share. What a table counts, and which columns it keeps:
tables.py, and the modules that declare one.

The state over a span of n days is a step function of the day: what happens on day a raises it on a and lowers it on
a + n. So a day's sums become signed steps on that day and on those on which it leaves a span, and a running total over
the steps is the state. A reaction raises the state on its own day, which may be the day after its watch, and leaves
with its watch: a like is never known before it was given, and a span never has more likes than watches. The cost is
linear in active days, however long the gaps between them; and since every addend is an integer, the totals are exact
and do not depend on the order in which Spark adds.

A window can go on from the state before it. Then only the days count that raise or lower something within it: its own,
and those a span before it. Of the rest of the past it takes two columns, to know which viewers or videos are new to an
entity, and of these only those that those few days name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import reduce
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.engine.window import Window
from jobs.events.watches import BELONGS

# The span that nothing leaves.
TOTAL = "total"
# What is counted by its different days.
ITS_DAY = "to_date(started_at)"
# Up to so many hashes go to every task, 16 MB of them; more are exchanged like any rows.
FEW = 1_000_000


class Counted(NamedTuple):
    """An integer to add up, and the time from which it counts, by default the start of its watch; both are Spark SQL.

    As text, since a Column needs a Spark session and a declaration is made where there is none.
    """

    amount: str
    at: str | None = None


class Past(NamedTuple):
    """What a state goes on from.

    `rows`: what an earlier call returned for days before the window, or those of its columns that are asked for now,
    the newest row of each entity among them. `keep` holds on to a frame that is used more than once.
    """

    rows: DataFrame
    keep: Callable[[DataFrame], DataFrame]


def daily_state(
    rows: DataFrame,
    keys: Sequence[str],
    sums: Mapping[str, Counted],
    distinct: Mapping[str, str],
    spans: Sequence[int],
    window: Window,
    past: Past | None = None,
) -> DataFrame:
    """One row per entity, which `keys` identify, and day of `window` on which a value may have changed.

    `rows`: watches with `keys` and `started_at`, all of the entity's past. `sums`: what to add up, by name.
    `distinct`: Spark SQL whose different values to count, by name. `spans`: how many days each one has. With `past` the
    result is the same and made of less, but for counts that `past` does not have, which are not to be read.
    Returns `keys`, `event_date`, `valid_from`, `first_date`, `last_date` (of activity) and, for every name in `sums`
    and `distinct`, `<name>_<days>d` for each span and `<name>_total`, all bigint. Rows after the window change nothing
    in it.
    """
    counts = [f"{name}_{span}" for name in (*sums, *distinct) for span in span_names(spans)]
    by_day = {name for name, member in distinct.items() if member == ITS_DAY}
    counting = rows if past is None else rows.where(_moving(spans, window, BELONGS))
    steps, stepped = [_steps(counting, keys, sums, by_day, spans)], [*sums, *by_day]
    moves: list[DataFrame] = []
    for name, member in distinct.items():
        if name in by_day:
            continue
        known = _known(rows, keys, name, member, spans, window, past)
        if past is not None and window.end - window.start == timedelta(days=1):
            moves.append(_members_of_one_day(known, name, keys, spans, window.day))
            continue
        steps.append(_members(known, name, keys, spans))
        stepped.append(name)
    first = window.start.date()
    moved = _moves(_together(steps), keys, stepped, spans, window.day, since=None if past is None else first)
    if moves:
        dates = [F.max(name).alias(name) for name in ("first_date", "last_date")]
        each = _together([moved, *moves]).groupBy(*keys, "event_date")
        moved = each.agg(*dates, *[F.sum(count).alias(count) for count in counts])
    if past is not None:
        moved = past.keep(moved)
        moved = _together([moved, _newest(_among(past.rows, _hashes(moved.select(*keys)), keys), keys)])
    so_far = Over.partitionBy(*keys).orderBy("event_date").rowsBetween(Over.unboundedPreceding, Over.currentRow)
    return moved.select(
        *keys,
        "event_date",
        F.date_add("event_date", 1).cast("timestamp").alias("valid_from"),
        F.min("first_date").over(so_far).alias("first_date"),
        F.max("last_date").over(so_far).alias("last_date"),
        *[F.sum(count).over(so_far).alias(count) for count in counts],
    ).where(F.col("event_date") >= F.lit(first))


def span_names(spans: Sequence[int]) -> list[str]:
    """What the columns of a name end in: 7d for the span of seven days, total for what nothing leaves."""
    return [*(f"{span}d" for span in spans), TOTAL]


def _moving(spans: Sequence[int], window: Window, before: timedelta = timedelta()) -> Column:
    """Which watches raise or lower a state within the window: its own, some before it, and those a span before it."""
    at = F.col("started_at")

    def between(start: timedelta, end: timedelta) -> Column:
        return (at >= F.lit(window.start - start)) & (at < F.lit(window.end - end))

    whole_days = [between(timedelta(days=span), timedelta(days=span)) for span in spans]
    return reduce(lambda one, other: one | other, whole_days, between(before, timedelta()))


def _steps(
    rows: DataFrame, keys: Sequence[str], sums: Mapping[str, Counted], by_day: set[str], spans: Sequence[int]
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
    for name in by_day:
        once = F.bool_or("starts").cast("bigint")
        steps += [once.alias(f"{name}_{way}_{span}") for way in ("in", "out") for span in spans]
        steps.append(once.alias(f"{name}_first"))
    return dated.groupBy(*keys, "day").agg(*steps)


def _moves(
    steps: DataFrame, keys: Sequence[str], names: Sequence[str], spans: Sequence[int], last: date, since: date | None
) -> DataFrame:
    """Per entity and `event_date` up to the last: what each count gains and loses, and that day where it is active.

    From `since` on: what is before it is in the state before it, or, where None, in running totals of all days.
    """
    active = F.max(F.when((F.col("offset") == 0) & F.col("starts"), F.col("day")))
    moving = (
        steps.withColumn("offset", F.explode(F.array(*[F.lit(offset) for offset in (0, *spans)])))
        .where("offset = 0 OR starts")
        .withColumn("event_date", F.date_add("day", F.col("offset")))
        .where(F.col("event_date") <= F.lit(last))
    )
    if since is not None:
        moving = moving.where(F.col("event_date") >= F.lit(since))
    return moving.groupBy(*keys, "event_date").agg(
        active.alias("first_date"),
        active.alias("last_date"),
        *[F.sum(_moved(name, span)).alias(f"{name}_{span}d") for name in names for span in spans],
        *[F.sum(_at(0, f"{name}_first")).alias(f"{name}_{TOTAL}") for name in names],
    )


def _known(
    rows: DataFrame,
    keys: Sequence[str],
    name: str,
    member: str,
    spans: Sequence[int],
    window: Window,
    past: Past | None,
) -> DataFrame:
    """Which members an entity had on which days: `keys`, member, day. With `past`, of those that come or go in it.

    Their days before the longest span are left out where no total is asked for.
    """
    members = rows.select(*keys, F.expr(member).alias("member"), "started_at")
    named, day = [*keys, "member"], F.to_date("started_at").alias("day")
    if past is None:
        return members.select(*named, day)
    moving = members.where(_moving(spans, window)).select(*named)
    if f"{name}_{TOTAL}" not in past.rows.columns:
        members = members.where(F.col("started_at") >= F.lit(window.start - timedelta(days=max(spans))))
    return _among(members.select(*named, day), past.keep(_hashes(moving)), named)


def _members(known: DataFrame, name: str, keys: Sequence[str], spans: Sequence[int]) -> DataFrame:
    """The same steps of `known` (keys, member, day), for what is counted by its different members.

    A member counts once while its active days are less than a span apart: it enters after a gap and leaves before one.
    """
    neighbours = Over.partitionBy(*keys, "member").orderBy("day")
    gaps = known.distinct().select(
        *keys,
        "day",
        F.date_diff("day", F.lag("day").over(neighbours)).alias("since"),
        F.date_diff(F.lead("day").over(neighbours), F.col("day")).alias("until"),
    )
    steps = [F.lit(True).alias("starts"), F.count_if(F.col("since").isNull()).alias(f"{name}_first")]
    for span in spans:
        enters, leaves = (F.coalesce(F.col(gap) >= span, F.lit(True)) for gap in ("since", "until"))
        steps += [F.count_if(enters).alias(f"{name}_in_{span}"), F.count_if(leaves).alias(f"{name}_out_{span}")]
    return gaps.groupBy(*keys, "day").agg(*steps)


def _members_of_one_day(known: DataFrame, name: str, keys: Sequence[str], spans: Sequence[int], day: date) -> DataFrame:
    """What the different members of `known` (keys, member, day) raise and lower on that one day, without sorting days.

    Who is there on the day enters, unless last there less than a span ago. Who was last there just a span ago leaves,
    whether they enter again on the day or not.
    """
    members = known.groupBy(*keys, "member").agg(
        F.bool_or(F.col("day") == F.lit(day)).alias("is_there"),
        F.max(F.when(F.col("day") < F.lit(day), F.col("day"))).alias("last_day"),
    )
    gap = F.date_diff(F.lit(day), F.col("last_day"))
    # For others nothing changes: they are here since their viewers were, on the day before.
    members = members.where(F.col("is_there") | gap.isin(list(spans)))
    moves = [F.lit(day).alias("event_date"), F.count_if(F.col("is_there") & gap.isNull()).alias(f"{name}_{TOTAL}")]
    for span in spans:
        enters = F.count_if(F.col("is_there") & F.coalesce(gap >= span, F.lit(True)))
        leaves = F.count_if(gap == span)
        moves.append((enters - leaves).alias(f"{name}_{span}d"))
    return members.groupBy(*keys).agg(*moves)


def _together(parts: Sequence[DataFrame]) -> DataFrame:
    """All rows of the parts; what one has no column for is NULL, which adds nothing."""
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)


def _hashes(named: DataFrame) -> DataFrame:
    """The different hashes of rows."""
    return named.select(F.xxhash64(*named.columns).alias("hashed")).distinct()


def _among(rows: DataFrame, wanted: DataFrame, columns: Sequence[str]) -> DataFrame:
    """The rows whose columns have one of the wanted hashes; another row may by chance.

    Where these are few, before anything is exchanged: by a count and not by Spark's guess, which comes after.
    """
    if wanted.count() <= FEW:
        wanted = F.broadcast(wanted)
    hashed = rows.withColumn("hashed", F.xxhash64(*columns))
    return hashed.join(wanted, on="hashed", how="left_semi").drop("hashed")


def _newest(rows: DataFrame, keys: Sequence[str]) -> DataFrame:
    """The newest row of each entity."""
    others = [name for name in rows.columns if name not in keys]
    newest = F.max_by(F.struct(*others), "event_date").alias("newest")
    return rows.groupBy(*keys).agg(newest).select(*keys, "newest.*")


def _at(offset: int, column: str) -> Column:
    """The column on the day that lies `offset` days after the activity, 0 on the others."""
    return F.when(F.col("offset") == offset, F.col(column)).otherwise(0)


def _moved(name: str, span: int) -> Column:
    """What a span gains on a day, and loses when that day leaves it."""
    return _at(0, f"{name}_in_{span}") - _at(span, f"{name}_out_{span}")
