"""Looks into the lake without Spark: sizes, versions and spans of tables, and rows by SQL.

Belongs here: what the platform asks of single tables. Jobs read through lake.py, at a pinned version. SQL, and what it
may reach: sql.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

import data_contracts
from jobs.engine.spans import Unsaid, end, reach, start
from jobs.engine.sql import answered
from jobs.engine.tables import Tables
from jobs.settings import Settings


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
    found = _opened(table, settings, version)
    try:
        there = reach(found, data_contracts.load(table)) if found else None
    except Unsaid:
        return None
    if there is None:
        return None
    first, last = there
    return start(first), last if isinstance(last, datetime) else end(last)


def newest_whole_day(settings: Settings) -> date:
    """The day of the newest watch, but never one that is not over; without watches, yesterday (UTC)."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    there = span("silver.watches", settings)
    return min(there[1].date(), yesterday) if there else yesterday


def query(sql: str, settings: Settings) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a query in which tables have their layer-qualified names. Raises BadQuery."""
    with answered(sql, settings) as answer:
        return answer.columns, list(answer.rows)


def _opened(table: str, settings: Settings, version: int | None) -> DeltaTable | None:
    if not exists(table, settings):
        return None
    try:
        return Tables.of(settings).open(table, version)
    except DeltaError:  # its log begins after that version
        return None


def _facts(name: str, table: DeltaTable, settings: Settings) -> TableFacts:
    files = table.get_add_actions(flatten=True)
    rows, size = (sum(files.column(key).to_pylist()) for key in ("num_records", "size_bytes"))
    path = Tables.of(settings).uri(name).removeprefix("file://")
    return TableFacts(name, path, table.version(), rows, size)
