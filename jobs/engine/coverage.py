"""What a daily job owes: the days after those that it has done, and those whose input changed since it read them.

Belongs here: that rule, and the record of all jobs that catch up in ops.coverage, one row per job. What an hourly job
owes: hours.py. Comparing versions of a table: versions.py. Running a job: runner.py. Why it is so: docs/decisions/0007.

No clock and no window of a run decides. A job's first input holds what happened, each row at its own time
(silver.watches); its others are looked up by their keys (silver.videos). A row of the first that differs from what the
job read makes it owe that row's day and all days after; a row of the others, the first day on which something happened
with its key. So a night at noon, a view that arrives a week late and a day that was run by itself leave no hole, and
tables that were deleted or rolled back are made again from the first row of the input.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Protocol

import deltalake
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import data_contracts
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.upkeep import tend_record
from jobs.engine.versions import TableVersion, VersionLost, check, check_kept, different, table_version, written_since
from jobs.engine.window import Window
from jobs.host.locks import alone

COVERAGE = "ops.coverage"


@dataclass(frozen=True)
class Coverage:
    """How far a job has come, and from what to what: a row of ops.coverage."""

    complete_until: datetime
    reads: tuple[TableVersion, ...]
    writes: tuple[TableVersion, ...]


@dataclass(frozen=True)
class Debt:
    """The first day that a job owes, None while its input is empty, by the versions of its inputs that its lake holds.

    `complete_until`: how far it has come; None where it has not begun, or has lost what it made. `is_known`: nobody has
    written its tables since, as a run that was killed before it noted how far it came.
    """

    since: date | None
    complete_until: datetime | None
    reads: tuple[TableVersion, ...]
    is_known: bool = False

    def right_until(self, window: Window) -> datetime | None:
        """Up to when a run for the window may take the job's tables for what its inputs say; None: it may not.

        A window that lies in what is done is somebody's repair, of a formula perhaps.
        """
        if not self.is_known or self.since is None or self.complete_until is None or window.end <= self.complete_until:
            return None
        return datetime.combine(self.since, time(), UTC)

    def extend(self, window: Window) -> Window:
        """The window and the days before its end that are owed."""
        if self.since is None:
            return window
        return Window(min(window.start, datetime.combine(self.since, time(), UTC)), window.end)

    def is_paid_by(self, window: Window) -> bool:
        """Whether a job that has done the window owes no day before the end of it, and has come no further before."""
        if self.since is None or window.start.date() > self.since:
            return False
        return self.complete_until is None or window.end >= self.complete_until


def debt(job: Job, lake: Lake) -> Debt:
    """What a daily job owes, by its inputs as they are now; its lake then gives it just these. Raises TableMissing."""
    reads = tuple(table_version(lake.tables, table, lake.pin(table)) for table in job.reads)
    past = recorded(lake, job)
    if past is not None:
        try:
            for written in past.writes:
                check_kept(lake, written)
            changes = [_first_change(lake, job.reads[0], *pair) for pair in zip(past.reads, reads, strict=True)]
            is_known = not any(written_since(lake, written) for written in past.writes)
            since = min(filter(None, [past.complete_until.date(), *changes]))
            return Debt(since, past.complete_until, reads, is_known)
        except VersionLost:
            pass
    return Debt(_begin(job, lake), None, reads)


class Owed(Protocol):
    """What `pay` has to know of a debt, of days or of hours."""

    @property
    def reads(self) -> tuple[TableVersion, ...]: ...

    def is_paid_by(self, window: Window) -> bool: ...


def pay(job: Job, lake: Lake, owed: Owed, window: Window) -> None:
    """Note that the job, whose lake has done the window, has come to its end; unless some before it is still owed."""
    if not owed.is_paid_by(window):
        return
    lake.create(COVERAGE)
    writes = (table_version(lake.tables, table, lake.version(table)) for table in job.writes)
    row = {
        "job": job.name,
        "run_id": lake.run_id,
        "complete_until": window.end,
        "reads": [asdict(read) for read in owed.reads],
        "writes": [asdict(written) for written in writes],
        "made_by": _made_by(job),
    }
    # Two jobs that end together would refuse each other's commit.
    with alone(lake.settings, COVERAGE):
        table = lake.tables.open(COVERAGE)
        rows = pa.Table.from_pylist([row], schema=pa.schema(table.schema()))
        deltalake.write_deltalake(table, rows, mode="overwrite", predicate=f"job = '{job.name}'")
        tend_record(COVERAGE, table.version(), lake.settings)


def recorded(lake: Lake, job: Job) -> Coverage | None:
    """None where there is no record, or one from when the job read other tables or made other columns."""
    if not lake.tables.is_there(COVERAGE):
        return None
    rows: list[dict[str, Any]] = (
        lake.tables.open(COVERAGE).to_pyarrow_table(filters=[("job", "=", job.name)]).to_pylist()
    )
    if not rows or tuple(read["table"] for read in rows[0]["reads"]) != job.reads:
        return None
    (row,) = rows
    if row.get("made_by") != _made_by(job):
        return None
    return Coverage(
        row["complete_until"].astimezone(UTC),
        tuple(TableVersion(**read) for read in row["reads"]),
        tuple(TableVersion(**written) for written in row["writes"]),
    )


def _made_by(job: Job) -> list[str]:
    """The contracts of its tables, of whose versions the last number changes with words only, and its formula."""
    contracts = [f"{table}@{data_contracts.load(table).version.rpartition('.')[0]}" for table in job.writes]
    return [*contracts, *([hashlib.sha256(job.formula.encode()).hexdigest()[:12]] if job.formula else [])]


def _first_change(lake: Lake, happened: str, past: TableVersion, now: TableVersion) -> date | None:
    """The first day that is owed because an input changed since that version."""
    check(lake, past)
    if past == now:
        return None
    if now.table == happened:
        day = F.to_date(_column(happened)).alias(_column(happened))
        return _first_day(different(lake, past, now.version, [day]), happened)
    key = list(data_contracts.load(now.table).key)
    changed = different(lake, past, now.version, key)
    return _first_day(lake.read(happened).join(changed, on=key, how="left_semi"), happened)


def _begin(job: Job, lake: Lake) -> date | None:
    """The first day of the first input, or of the job's tables, which may have rows of what is in no input any more."""
    there = lake.span(job.reads[0]) if job.reads else None
    if there is None:
        return None
    cut = [table for table in job.writes if lake.exists(table) and data_contracts.load(table).window_column]
    return min(start for start, _ in filter(None, [there, *map(lake.span, cut)])).date()


def _first_day(rows: DataFrame, table: str) -> date | None:
    """The first day of rows that have the table's window column."""
    first = rows.agg(F.to_date(F.min(_column(table))).alias("day")).first()
    return None if first is None else first["day"]


def _column(table: str) -> str:
    column = data_contracts.load(table).window_column
    assert column is not None, f"{table} is the first input of a daily job, so it is cut by time"
    return column
