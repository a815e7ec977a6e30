"""Versions of a table: whether one is still part of it, and which rows differ between it and a later one.

Belongs here: what the Delta log and the files say about a table's past. Reading and writing tables: lake.py. What a
job owes after a change: coverage.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce

import pyarrow as pa
from deltalake.exceptions import DeltaError
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.engine.lake import Lake
from jobs.engine.tables import Tables
from jobs.errors import ReelmillError


class VersionLost(ReelmillError):
    """A version is no longer part of its table: replaced, deleted, rolled back with its folder, or cleaned up."""


@dataclass(frozen=True)
class TableVersion:
    """One version of a table. A table that took its place may have this version too, but not of this instant."""

    table: str
    version: int
    committed_at: datetime


def table_version(tables: Tables, table: str, version: int) -> TableVersion:
    """That version of a table. Raises VersionLost."""
    now = tables.open(table) if tables.is_there(table) else None
    # The newest entries of the log, down to that of the version.
    commits = now.history(now.version() - version + 1) if now and now.version() >= version >= 0 else []
    if not commits or commits[-1]["version"] != version:
        raise VersionLost(f"{table} has no version {version}.")
    return TableVersion(table, version, datetime.fromtimestamp(commits[-1]["timestamp"] / 1000, UTC))


def is_there(tables: Tables, past: TableVersion) -> bool:
    """Whether the table still has that version, of that instant."""
    try:
        return table_version(tables, past.table, past.version) == past
    except VersionLost:
        return False


def check(lake: Lake, past: TableVersion) -> None:
    """Raises VersionLost when the table no longer has that version, of that instant."""
    if table_version(lake.tables, past.table, past.version) != past:
        raise VersionLost(f"{past.table} was replaced since its version {past.version}.")


def check_kept(lake: Lake, past: TableVersion) -> None:
    """Raises VersionLost when the table no longer has that version, or an older one was restored since."""
    check(lake, past)
    now = lake.tables.open(past.table)
    later = now.version() - past.version
    # A limit of 0 would be none.
    commits = now.history(later) if later else []
    if any(commit.get("operation") == "RESTORE" for commit in commits):
        raise VersionLost(f"{past.table} was rolled back since its version {past.version}.")


def written_since(lake: Lake, past: TableVersion) -> bool:
    """Whether rows were written after that version. Those that were removed, or moved to other files, are not."""
    now = lake.tables.open(past.table)
    later = now.version() - past.version
    return any(commit.get("operation") in ("WRITE", "MERGE") for commit in (now.history(later) if later else []))


def different(lake: Lake, past: TableVersion, version: int, by: Sequence[Column | str]) -> DataFrame:
    """The values of `by` for which the rows of two versions of a table differ.

    Compares only the files that one of them has and the other has not. A merge copies whatever else is in a file that
    it touches; such rows are on both sides and cancel out. Raises VersionLost when files of the past are gone.
    """
    now = lake.read(past.table).schema
    before, after = (_files(lake, past.table, v) for v in (past.version, version))
    if lake.tables.gone(past.table, before - after):
        raise VersionLost(f"Files of {past.table} that its version {past.version} had are gone.")
    columns = [F.col(field.name) for field in now]
    # A NULL leaves this hash as it was, wherever it stands: without the flags, (NULL, 'a') would equal ('a', NULL).
    row = F.xxhash64(*columns, *(column.isNull() for column in columns))
    sides = [
        lake.spark.read.schema(now)
        .parquet(*(f"{lake.tables.uri(past.table)}/{file}" for file in files))
        .select(*by, row.alias("_row"), F.lit(side).alias("_side"))
        for files, side in ((before - after, -1), (after - before, 1))
        if files
    ]
    none = lake.read(past.table).limit(0).select(*by, row.alias("_row"), F.lit(0).alias("_side"))
    rows = reduce(DataFrame.unionByName, sides, none)
    keys = [name for name in rows.columns if not name.startswith("_")]
    differing = rows.groupBy(*keys).agg(F.sum("_side").alias("_more"), F.bit_xor("_row").alias("_other"))
    return differing.where("_more != 0 OR _other != 0").select(*keys)


def _files(lake: Lake, table: str, version: int) -> set[str]:
    try:
        actions = pa.table(lake.tables.open(table, version).get_add_actions())
    except DeltaError as error:
        raise VersionLost(f"The log of {table} does not reach back to its version {version}.") from error
    # Tables have neither partitions, deletion vectors nor mapped columns, so that a file says all by itself.
    return set(actions.column("path").to_pylist())
