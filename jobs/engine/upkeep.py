"""Keeps a table as large as what it holds: rows past their retention, loose files, and files that no version needs.

Belongs here: what is done to one table, by delta-rs and without Spark, and when its job does it. Whoever does it has
the lock of the job that writes the table. How long rows stay, and whether they go then, is the contract's to say.

A job tends its own tables, now and then, so that nobody has to remember it. What it removes was no part of the newest
version for VERSIONS_KEPT, or of no version at all; so long everything can be read as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable

from data_contracts.contract import Contract, span
from jobs.engine.cadence import Cadence
from jobs.engine.commits import Commit
from jobs.engine.job import Job
from jobs.engine.spans import Unsaid, reach
from jobs.engine.stream import TABLES, go_on_from_newest, held_in
from jobs.engine.tables import QUARANTINE, Tables, contract_of
from jobs.settings import Settings

# How long a version can be read after it was replaced: what Delta itself promises where nobody says otherwise.
VERSIONS_KEPT = timedelta(days=7)
# A file below half of it is loose, and so many loose ones are put together.
FULL_FILE_BYTES = 64 * 2**20
LOOSE_FILES = 16
# Once in so many versions of a table: about once a week, of what is written every five minutes once a day. Where rows
# expire, a run makes two.
EVERY: dict[Cadence, int] = {"5min": 288, "hour": 336, "day": 14, "night": 14}
EVERY_RECORD = 100


@dataclass(frozen=True)
class Tended:
    """What was done to a table: `rows` had expired, `loose` files were put together, `removed` ones no version needs.

    `files` are those of the newest version. `left` says why none was removed, if some might have been.
    """

    table: str
    rows: int = 0
    files: int = 0
    loose: int = 0
    removed: int = 0
    left: str | None = None


def tend_own(job: Job, commits: Sequence[Commit], settings: Settings) -> list[Tended]:
    """Tend the tables that these commits of a job's run make due, with what was set aside of them.

    Rows that expire go in the run after which they are too old; anything else is done about once in EVERY versions.
    """
    tended = []
    for table in sorted({commit.table for commit in commits}):
        versions = [commit.version for commit in commits if commit.table == table]
        # One version between this run and the last may have been of rows that expired.
        if (min(versions) - 2) // EVERY[job.every] < max(versions) // EVERY[job.every]:
            tended += [tend(name, settings) for name in (table, f"{QUARANTINE}.{table}")]
        elif contract_of(table).expires:
            tended.append(Tended(table, rows=_expire(Tables.of(settings).open(table), contract_of(table))))
    return tended


def tend_record(table: str, version: int, settings: Settings) -> None:
    """Tend a table that every job writes to, once in EVERY_RECORD versions, of which this is the newest.

    Whoever calls it has the lock of the table.
    """
    if version % EVERY_RECORD == 0:
        tend(table, settings)


def tend(table: str, settings: Settings, *, now: datetime | None = None) -> Tended:
    """Remove what has expired, put loose files together, and remove files that no version of VERSIONS_KEPT has.

    A table that is not there stays so.
    """
    tables = Tables.of(settings)
    if not tables.is_there(table):
        return Tended(table)
    opened = tables.open(table)
    # As it was before anything is done to it: what is done now needs no room yet.
    left = _behind(opened, table, settings, now or datetime.now(UTC))
    done = Tended(table, rows=_expire(opened, contract_of(table)), loose=_compact(opened), left=left)
    if not left:
        hours = int(VERSIONS_KEPT / timedelta(hours=1))
        # Also what a killed run has left, which no version ever had.
        done = replace(done, removed=len(opened.vacuum(retention_hours=hours, dry_run=False, full=True)))
    return replace(done, files=len(opened.file_uris()))


def keep_newest(table: str, settings: Settings, marked: CommitProperties) -> None:
    """Remove what only older versions of a table have, and what the log says of them; its commits are `marked`.

    Whoever calls it has the locks of all jobs that write or read the table, and every stream of it has read it all.
    Killed in between, the same again does the rest.
    """
    tables = Tables.of(settings)
    tables.open(table).vacuum(
        retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True, commit_properties=marked
    )
    opened = tables.open(table)
    opened.create_checkpoint()
    go_on_from_newest(table, settings)
    tables.cut_log(table, before=opened.version())


def _expire(table: DeltaTable, contract: Contract) -> int:
    """Remove rows that are older than the contract keeps them, counted from the newest row: how many."""
    if not contract.expires:
        return 0
    # Not from today: a home whose data ends years ago would lose all of it.
    try:
        there = reach(table, contract)
    except Unsaid:
        return 0
    if there is None or there[0] >= (limit := there[1] - span(contract.retention)):
        return 0
    return int(table.delete(f"{contract.window_column} < '{limit.isoformat()}'")["num_deleted_rows"])


def _compact(table: DeltaTable) -> int:
    """Put loose files together if there are many: how many there were. The rows keep their order."""
    sizes = pa.table(table.get_add_actions()).column("size_bytes").to_pylist()
    if sum(size < FULL_FILE_BYTES // 2 for size in sizes) < LOOSE_FILES:
        return 0
    # One at a time, so that it takes the memory of one.
    done = table.optimize.compact(target_size=FULL_FILE_BYTES, max_concurrent_tasks=1)
    return int(done["numFilesRemoved"])


def _behind(table: DeltaTable, name: str, settings: Settings, now: datetime) -> str | None:
    """Who has yet to read, as a stream, what was committed longer ago than VERSIONS_KEPT; None when nobody has.

    A stream reads the files of each commit. A job that compares versions makes everything again where one is gone.
    """
    for record in sorted(settings.checkpoints.glob(f"*/{TABLES}")):
        for version in (one.version for one in held_in(record) if one.table == name):
            later = table.version() - version
            # The oldest commit that it has not seen; a limit of 0 would be none.
            unseen = table.history(later)[-1] if later > 0 else None
            if unseen and datetime.fromtimestamp(unseen["timestamp"] / 1000, UTC) < now - VERSIONS_KEPT:
                return f"{record.parent.name} has not read what is new in {name} for {VERSIONS_KEPT.days} days"
    return None
