"""Of when the rows of a table are, by what its Delta log says of each file, so that no row is read.

Belongs here: the least and the greatest value of a table's window column. Conditions on that column: bounds.py.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from data_contracts.contract import Contract
from jobs.engine.window import Window

# What the log cuts off of an instant is less.
MILLISECOND = timedelta(milliseconds=1)


class Unsaid(Exception):
    """The log does not say of every file of when its rows are."""


def spans(table: DeltaTable, contract: Contract) -> list[tuple[date, date]]:
    """The least and the greatest value of the window column in each file that has rows: dates, or datetimes in UTC.

    An instant is cut off to its millisecond. Raises Unsaid, also for a file in which the column is NULL only.
    """
    files = pa.table(table.get_add_actions(flatten=True)).filter(pc.field("num_records") > 0)
    if not files.num_rows:
        return []
    names = [f"{bound}.{contract.window_column}" for bound in ("min", "max")]
    if not set(names) <= set(files.column_names) or any(files.column(name).null_count for name in names):
        raise Unsaid(contract.table)
    first, last = (files.column(name).to_pylist() for name in names)
    return [(_in_utc(least), _in_utc(greatest)) for least, greatest in zip(first, last, strict=True)]


def reach(table: DeltaTable, contract: Contract) -> tuple[date, date] | None:
    """The least and the greatest value of the window column in all of its rows; None without any. Raises Unsaid."""
    there = spans(table, contract)
    return (min(first for first, _ in there), max(last for _, last in there)) if there else None


def end(last: date) -> datetime:
    """When whatever has that greatest value is over for certain: a day at its midnight, an instant a millisecond on."""
    return last + MILLISECOND if isinstance(last, datetime) else start(last) + timedelta(days=1)


def start(first: date) -> datetime:
    """When that least value begins."""
    return first if isinstance(first, datetime) else datetime.combine(first, time(), UTC)


def is_free(table: DeltaTable, contract: Contract, window: Window) -> bool:
    """Whether the table has no row of the window for certain."""
    try:
        there = spans(table, contract)
    except Unsaid:
        return False
    return not any(start(least) < part.end and part.start < end(most) for least, most in there for part in window.spans)


def _in_utc(at: date) -> date:
    return at.astimezone(UTC) if isinstance(at, datetime) else at
