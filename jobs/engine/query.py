"""Looks into the lake without Spark: sizes and versions of tables, and SQL over them with DuckDB.

Belongs here: reading for people. Jobs read through lake.py, at a pinned version.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

import data_contracts
from jobs.engine.tables import Tables
from jobs.errors import ReelmillError
from jobs.settings import Settings

if TYPE_CHECKING:
    import duckdb


# A query may be somebody else's text: it sees the tables, and neither files, the network nor variables of this program.
READ_ONLY = (
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


class BadQuery(ReelmillError):
    """DuckDB refused the SQL."""


@dataclass(frozen=True)
class TableFacts:
    """One table of the lake as it is now."""

    name: str
    path: str
    version: int
    rows: int
    bytes: int


def tables(settings: Settings) -> list[TableFacts]:
    """Every Delta table of the lake, quarantine included, by name."""
    there = Tables.of(settings)
    return [_facts(name, there.open(name), settings) for name in there.names()]


def exists(table: str, settings: Settings) -> bool:
    """Whether the lake holds the table, be it empty."""
    return Tables.of(settings).is_there(table)


def facts(table: str, settings: Settings, version: int | None = None) -> TableFacts | None:
    """One table, by default as it is now; None when there is none, or the version is forgotten."""
    found = _opened(table, settings, version)
    return None if found is None else _facts(table, found, settings)


def span(table: str, settings: Settings, version: int | None = None) -> tuple[datetime, datetime] | None:
    """The first and the last instant of a table's window column; a date lasts until its midnight. None without rows.

    Read from the statistics in the Delta log, so that it costs no scan.
    """
    column = data_contracts.load(table).window_column
    found = _opened(table, settings, version)
    if found is None or column is None:
        return None
    files = pa.table(found.get_add_actions(flatten=True))
    if f"min.{column}" not in files.column_names:
        return None
    first, last = (
        [value for value in files.column(f"{bound}.{column}").to_pylist() if value is not None]
        for bound in ("min", "max")
    )
    if not first or not last:
        return None
    start, end = min(first), max(last)
    if isinstance(start, datetime):
        return start.astimezone(UTC), end.astimezone(UTC)
    return datetime.combine(start, time(), UTC), datetime.combine(end, time(), UTC) + timedelta(days=1)


def newest_whole_day(settings: Settings) -> date:
    """The day of the newest watch, but never one that is not over; without watches, yesterday (UTC)."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    there = span("silver.watches", settings)
    return min(there[1].date(), yesterday) if there else yesterday


def query(sql: str, settings: Settings) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a query in which tables have their layer-qualified names.

    A quarantine table is `quarantine."silver.watches"`. It reads the tables and nothing else, and it writes
    nothing. Raises BadQuery with DuckDB's reason.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    there = Tables.of(settings)
    names = [_register(connection, name, there.open(name)) for name in there.names()]
    for setting in READ_ONLY:
        connection.execute(setting)
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1:
            raise BadQuery(f"A query is one SQL statement, and this has {len(statements)}: SELECT * FROM a table.")
        result = connection.execute(statements[0])
        return [column[0] for column in result.description or []], result.fetchall()
    except duckdb.Error as error:
        listed = ", ".join(names) or f"none yet in {there.root}"
        raise BadQuery(f"{str(error).strip()} (Tables: {listed}.)") from error


def _register(connection: duckdb.DuckDBPyConnection, name: str, table: DeltaTable) -> str:
    layer, _, subject = name.partition(".")
    connection.register(f"_{name}", table.to_pyarrow_dataset())
    connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{layer}"')
    connection.execute(f'CREATE VIEW "{layer}"."{subject}" AS SELECT * FROM "_{name}"')
    return name


def _opened(table: str, settings: Settings, version: int | None) -> DeltaTable | None:
    if not exists(table, settings):
        return None
    try:
        return Tables.of(settings).open(table, version)
    except DeltaError:  # its log begins after that version
        return None


def _facts(name: str, table: DeltaTable, settings: Settings) -> TableFacts:
    files = pa.table(table.get_add_actions(flatten=True))
    rows, size = (sum(files.column(key).to_pylist()) for key in ("num_records", "size_bytes"))
    path = Tables.of(settings).uri(name).removeprefix("file://")
    return TableFacts(name, path, table.version(), rows, size)
