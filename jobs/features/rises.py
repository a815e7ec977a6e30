"""How far what happens lately is above what was to be expected: of counts by the hour, whatever it is that is counted.

Belongs here: the arithmetic of a rise, over any frame of counts. Whose counts, who of the people counts, and what is
listed: trending.py.

Lately is the last LATELY hours, the hour itself in full and each before it less, by half every HALF_LIFE. Expected is
what an id would have had if it kept its share of all that is counted in these hours: its share in the PAST_D days
before them, which counts less the longer ago by half every KEEPS_D, times what it had at the same hours of these weeks
over what it would have had there by its share of each week. Both are drawn towards less certain knowledge as long as
there is little of it: the share towards that with which new ids begin, which weighs as much as SHARE_PRIOR counts of
its own, the hours of the week towards all hours alike, with the weight of WEEK_PRIOR. The newest hours are no part
of the past, so that a rise is not its own excuse; and of an id that is newer than they are, only the hours since it
began are expected.

The score is the signed root of the deviance of a negative binomial variable (McCullagh and Nelder, 1989, chapter 6):
about how many standard deviations lately is above what was expected. Its variance is that of counting, of a share of
which little is known, and of a share that wanders by the root of VARIETY of itself, as those of large ids do.
"""

from __future__ import annotations

import operator
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

LATELY, HALF_LIFE, PAST_D, KEEPS_D, WEEK = 12, 3.0, 28, 1, 7 * 24
SPAN = LATELY + PAST_D * 24
SHARE_PRIOR, WEEK_PRIOR, VARIETY = 1.5, 5.0, 0.25
WEEKS = range(PAST_D // 7)
# An id begins for so many hours.
BEGINS = 24
_WEIGHTS = [0.5 ** (lag / HALF_LIFE) for lag in range(LATELY)]
# A sum of weighted counts has another variance than a count of that size; so many times it, the two are the same.
_EFFECTIVE = sum(_WEIGHTS) / sum(weight**2 for weight in _WEIGHTS)


def weight(lag: Column) -> Column:
    """How much an hour counts that lies so many hours before the one that is asked for; 0 beyond LATELY."""
    return F.when(lag.between(0, LATELY - 1), F.pow(F.lit(0.5), lag / HALF_LIFE)).otherwise(0.0)


def hour_number(at: str) -> Column:
    """The hour of a time, counted from 1970."""
    return F.floor(F.unix_seconds(at) / 3600)


def rises(counts: DataFrame, hours: DataFrame) -> DataFrame:
    """Each `id` that had something lately, at each `at` of `hours`, of `counts` (id, hour, count).

    Counts are above 0; `hour` and `at` are whole hours, counted from 1970, and there are few `hours`, such as those of
    a day. Out come id, at, `lately` and `expected` (both in weighted counts), `certainty` (the counts that its share is
    known by) and `age`: the hours since its first count within SPAN. Nothing while there is no past at all.
    """
    coefficients = F.broadcast(_coefficients(counts, hours))
    oldest = F.max("age").over(Over.partitionBy("id", "at"))
    found = (
        counts.join(coefficients, on="hour", how="inner")
        .withColumn("is_begin", F.col("age") > oldest - BEGINS)
        .groupBy("id", "at")
        .agg(
            F.sum(F.col("count") * F.col("recent")).alias("lately"),
            F.sum(F.col("count") * F.col("kept")).alias("past"),
            *[
                F.sum(F.when(F.col("week") == n, F.col("count") * F.col(name))).alias(f"{name}_{n}")
                for name in ("at_hours", "at_all_hours")
                for n in WEEKS
            ],
            F.sum(F.when(F.col("is_begin") & (F.col("kept") > 0), F.col("count"))).alias("begin"),
            # The oldest hour of an id says how much it could have been part of.
            F.max("exposed").alias("exposure"),
            F.max("reach").alias("reach"),
            F.max("age").alias("age"),
            F.max(F.struct("age", "begins")).getField("begins").alias("begin_exposure"),
        )
    )
    usual = found.groupBy("at").agg(
        F.sum("past").alias("past"),
        F.sum("exposure").alias("exposure"),
        # Of who was there from the start on nobody knows when they began.
        *[F.sum(F.when(F.col("age") < SPAN - BEGINS, F.col(name))).alias(name) for name in ("begin", "begin_exposure")],
    )
    average = F.col("past") / F.col("exposure")
    begins = _credible("begin", "begin_exposure", average)
    found = found.join(F.broadcast(usual.where("past > 0").select("at", begins.alias("begins"))), on="at", how="inner")
    at_these_hours = (_of_weeks("at_hours") + WEEK_PRIOR) / (_of_weeks("at_all_hours") + WEEK_PRIOR)
    expected = _credible("past", "exposure", F.col("begins")) * F.col("reach") * at_these_hours
    certainty = _known("past", "exposure", F.col("begins")) + SHARE_PRIOR
    return found.where("lately > 0").select(
        "id", "at", "lately", _rounded(expected).alias("expected"), certainty.alias("certainty"), "age"
    )


def _rounded(expected: Column) -> Column:
    """Sums of doubles depend on the order of a shuffle in their last bits; and what is divided by is never 0."""
    return F.greatest(F.round(expected, 9), F.lit(1e-9))


def _of_weeks(name: str) -> Column:
    """The sum of the weeks but for that in which the id began: it was not there at these hours."""
    there = [F.when(F.col("age") >= (n + 1) * WEEK + LATELY - 1, F.col(f"{name}_{n}")) for n in WEEKS]
    return reduce(operator.add, [F.coalesce(week, F.lit(0.0)) for week in there])


def _known(counts: str, exposure: str, towards: Column) -> Column:
    """How many counts a share is known by: those that there were, or that there should have been of the other share."""
    return F.greatest(F.coalesce(counts, F.lit(0.0)), F.coalesce(exposure, F.lit(0.0)) * towards)


def _credible(counts: str, exposure: str, towards: Column) -> Column:
    """A share as counted and another, which weighs as much as SHARE_PRIOR counts (Buehlmann's credibility, 1967)."""
    known = _known(counts, exposure, towards)
    own = F.coalesce(F.try_divide(F.col(counts), F.col(exposure)), F.lit(0.0))
    return (known * own + SHARE_PRIOR * towards) / (known + SHARE_PRIOR)


def score(lately: Column, expected: Column, certainty: Column) -> Column:
    """The rise in standard deviations, below 0 where it falls; 6 decimals."""
    had, due = lately * _EFFECTIVE, expected * _EFFECTIVE
    spread = VARIETY + 1 / certainty
    mixed = (had + 1 / spread) * F.log((1 + spread * had) / (1 + spread * due))
    deviance = 2 * (had * F.log(F.greatest(had, F.lit(1e-9)) / due) - mixed)
    return F.round(F.signum(had - due) * F.sqrt(F.greatest(deviance, F.lit(0.0))), 6)


def _coefficients(counts: DataFrame, hours: DataFrame) -> DataFrame:
    """For each hour of the span before each `at`, what a count in it is multiplied by; some hundred rows for each.

    `recent`: its weight lately. `kept`: its weight in the past. `at_hours`: its weight at the same hours of the week,
    brought to as much as there is to share now; `at_all_hours`: the same, if its week were alike at all hours. From it
    on, all that was counted in the past is `exposed` and lately `reach`, weighted so; `begins`: that of its BEGINS.
    """
    totals = counts.groupBy("hour").agg(F.sum("count").alias("total"))
    age = F.col("age")
    aged = (
        hours.join(totals, on=F.col("hour").between(F.col("at") - SPAN + 1, F.col("at")), how="inner")
        .withColumn("age", F.col("at") - F.col("hour"))
        .withColumn("recent", weight(age))
        .withColumn("kept", F.when(F.col("recent") > 0, 0.0).otherwise(F.pow(F.lit(0.5), age / (KEEPS_D * 24))))
        .withColumn("lag", age % WEEK)
        .withColumn("week", F.floor((age - LATELY) / WEEK))
    )
    now = aged.where("recent > 0").select("at", "lag", F.col("total").alias("now"))
    since = Over.partitionBy("at").orderBy("age")
    to_the_end = since.rowsBetween(Over.unboundedPreceding, Over.currentRow)
    at_first = since.rangeBetween(-BEGINS + 1, Over.currentRow)
    of_week = Over.partitionBy("at", "week")
    is_past = F.col("kept") > 0
    at_hours = F.coalesce(weight(F.col("lag")) * F.col("now") / F.col("total"), F.lit(0.0))
    reach = F.col("total") * F.col("recent")
    return aged.join(now, on=["at", "lag"], how="left").select(
        "at",
        "hour",
        "age",
        "week",
        "recent",
        "kept",
        F.when(is_past, at_hours).otherwise(0.0).alias("at_hours"),
        F.when(is_past, F.sum(at_hours * F.col("total")).over(of_week) / F.sum("total").over(of_week))
        .otherwise(0.0)
        .alias("at_all_hours"),
        F.sum(reach).over(to_the_end).alias("reach"),
        F.sum(F.col("total") * F.col("kept")).over(to_the_end).alias("exposed"),
        F.sum(F.when(is_past, F.col("total"))).over(at_first).alias("begins"),
    )
