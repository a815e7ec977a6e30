"""What happened to an entity in each hour: the declaration of an hourly table, and how its rows and its job are made.

Belongs here: what all hourly tables share. The tables that there are: hourly_*.py. State as
of the end of a day, over spans of days: tables.py. Which hours a run does: jobs/engine/hours.py.

An hour's row needs the watches of its hour, of the hour before (for its velocity), and those of up to a day before
whose reactions came in it; so a run costs the hours that it owes and a day of watches, whatever the history.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from data_contracts import load
from feature_repo.definitions import TIMESTAMP
from jobs.engine.bounds import within
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.events.marks import unmarked
from jobs.events.watches import BELONGS
from jobs.features.outcomes import outcomes
from jobs.features.tables import WATCHES

HOUR_START = "hour_start"
# The times of a watch by which it counts: its own, and that of each reaction that is counted.
COUNTED_AT = ("started_at", "skipped_at", "liked_at", "shared_at")
PLAYS = outcomes("plays")


@dataclass(frozen=True)
class HourlyTable:
    """What an hourly table counts: the `outcomes` of watches, and different values, by name in Spark SQL.

    `rows` makes the rows to count, with the keys, of silver.watches and the tables named in `beside`. The contract has
    the keys and picks the columns.
    """

    table: str
    rows: Callable[..., DataFrame]
    beside: tuple[str, ...] = ()
    distinct: Mapping[str, str] = field(default_factory=dict)

    def job(self, module: str) -> Job:
        """The hourly job of the module that declares this table."""
        doc = sys.modules[module].__doc__ or ""
        return Job(
            name=module.removeprefix("jobs."),
            every="hour",
            reads=(WATCHES, *self.beside),
            writes=(self.table,),
            function=self.write,
            doc=doc,
            counted_at=COUNTED_AT,
        )

    def write(self, lake: Lake, window: Window) -> None:
        """Replace the window's rows by what the lake's tables say now. Without any watch there is nothing to say."""
        if lake.span(WATCHES) is None:
            return
        inputs = [unmarked(lake.of(WATCHES, window, before=BELONGS)), *map(lake.read, self.beside)]
        lake.replace(self.table, self.hours(window, *inputs), window, empty_is_a_fact=True)

    def hours(self, window: Window, *inputs: DataFrame) -> DataFrame:
        """The table's rows for the hours of `window`, of silver.watches (from a day before on) and what is beside."""
        contract = load(self.table)
        keys = [name for name in contract.key if name != HOUR_START]
        starts = _hour(F.col("started_at"))
        times = {name: _hour(F.expr(at)) if at else starts for name, (_, at) in PLAYS.items()}
        dated = self.rows(*inputs).withColumn(HOUR_START, F.explode(F.array_distinct(F.array(*times.values()))))
        hour, is_start = F.col(HOUR_START), F.col(HOUR_START) == starts
        counted = dated.groupBy(*keys, HOUR_START).agg(
            *[
                F.sum(F.when(hour == times[name], F.expr(PLAYS[name].amount)).otherwise(0)).alias(name)
                for name in PLAYS
            ],
            *[
                F.count_distinct(F.when(is_start, F.expr(member))).alias(name)
                for name, member in {"viewers": "user_id", **self.distinct}.items()
            ],
        )
        before = counted.select(
            *keys, (hour + F.expr("INTERVAL 1 HOUR")).alias(HOUR_START), F.col("viewers").alias("before")
        )
        return (
            counted.where(within(contract, window))
            .join(before, on=[*keys, HOUR_START], how="left")
            .withColumn("velocity", F.col("viewers") - F.coalesce("before", F.lit(0)))
            .withColumn(TIMESTAMP, hour + F.expr("INTERVAL 1 HOUR"))
            .select(*[column.name for column in contract.columns])
        )


def _hour(at: Column) -> Column:
    return F.date_trunc("hour", at)
