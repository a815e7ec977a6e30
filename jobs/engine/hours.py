"""What an hourly job owes: the hours after those that it has done, and those of the past whose input changed.

Belongs here: that rule. What a daily job owes, and the record that both keep in ops.coverage: coverage.py. Running a
job: runner.py.

The hours of a table do not build on each other, so that an event that comes three days late makes its own hours owed
and none between: a row of the first input that differs from what the job read, the hour of each of its times
(`counted_at` of the job: a like counts when it was given); a row of another input, the hours of all with its key. The
hour after each is owed too, since it is compared with the one before it. What is older than the table keeps is not
owed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

import data_contracts
from data_contracts.contract import span
from jobs.engine.coverage import Coverage, recorded
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.versions import TableVersion, VersionLost, check, check_kept, different, table_version
from jobs.engine.window import HOUR, Window, of_micros, window_for


@dataclass(frozen=True)
class HourlyDebt:
    """The hours that an hourly job owes, by the versions of its inputs that its lake holds.

    `begin`: from which hour on none is done, None while its input is empty. `changed`: hours before it that are owed.
    `keeps`: how much of the past its table has.
    """

    begin: datetime | None
    changed: frozenset[datetime]
    complete_until: datetime | None
    keeps: timedelta
    reads: tuple[TableVersion, ...]

    def extend(self, window: Window) -> Window:
        """The window and the hours before its end that are owed."""
        kept = window.end - self.keeps
        owed = {hour for hour in self.changed if kept <= hour < window.end}
        if self.begin is not None:
            begin = max(self.begin, kept)
            owed |= set(Window(begin, window.end).hours if begin < window.end else ())
        return Window.of_hours(owed.union(window.hours))

    def is_paid_by(self, window: Window) -> bool:
        """Whether a job that has done the window owes no hour before its end, and has come no further before."""
        return self.extend(window) == window and (self.complete_until is None or window.end >= self.complete_until)


def debt(job: Job, lake: Lake) -> HourlyDebt:
    """What the job owes, by its inputs as they are now; its lake then gives it just these. Raises TableMissing."""
    reads = tuple(table_version(lake.tables, table, lake.pin(table)) for table in job.reads)
    keeps = min(span(data_contracts.load(table).retention) for table in job.writes)
    past = recorded(lake, job)
    if past is not None:
        try:
            for written in past.writes:
                check_kept(lake, written)
            changed = _changed(lake, job, past, reads, past.complete_until - keeps)
            return HourlyDebt(past.complete_until, changed, past.complete_until, keeps, reads)
        except VersionLost:
            pass
    first = lake.read(job.reads[0]).agg(F.unix_micros(F.min(job.counted_at[0])).alias("at")).first()
    begin = None if first is None or first["at"] is None else window_for("hour", of_micros(first["at"])).start
    return HourlyDebt(begin, frozenset(), None, keeps, reads)


def _changed(
    lake: Lake, job: Job, past: Coverage, reads: tuple[TableVersion, ...], since: datetime
) -> frozenset[datetime]:
    """The hours from `since` on whose input changed after the versions that the job read."""
    happened, at = job.reads[0], [F.date_trunc("hour", name).alias(name) for name in job.counted_at]
    hours: set[datetime] = set()
    for before, now in zip(past.reads, reads, strict=True):
        check(lake, before)
        if before == now:
            continue
        if now.table == happened:
            rows = different(lake, before, now.version, at)
        else:
            key = list(data_contracts.load(now.table).key)
            changed = different(lake, before, now.version, key)
            rows = lake.read(happened, since=since).join(changed, on=key, how="left_semi").select(*at)
        hours |= set(_found(rows, job.counted_at, since))
    return frozenset(hours | {hour + HOUR for hour in hours})


def _found(rows: DataFrame, columns: tuple[str, ...], since: datetime) -> Iterator[datetime]:
    """The different hours in some columns; there are no more than the table keeps."""
    hour: Column = F.explode(F.array(*columns)).alias("hour")
    later = rows.select(hour).where(F.col("hour") >= F.lit(since)).select(F.unix_micros("hour").alias("at")).distinct()
    yield from (of_micros(row["at"]) for row in later.collect())
