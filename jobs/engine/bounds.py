"""Conditions on a table's window column, as Spark SQL: which rows lie between two moments, which files a merge opens.

Belongs here: text made of a contract and of moments. What is read and written by it: lake.py.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from data_contracts.contract import Contract
from jobs.engine.rules import SchemaMismatch
from jobs.engine.window import Window


def between(contract: Contract, since: date | datetime | None, until: date | datetime | None) -> str:
    """`since <= window column < until` as SQL, with literals of the column's type; a bound that is None is left out.

    Raises SchemaMismatch without a window column, and ValueError for a bound within a day where that is a date.
    """
    if contract.window_column is None:
        raise SchemaMismatch(f"The contract of {contract.table} has no windowColumn, so it cannot be cut by time.")
    kind = contract.column(contract.window_column).type
    bounds = ((">=", since), ("<", until))
    return " AND ".join(f"{contract.window_column} {sign} {_literal(b, kind)}" for sign, b in bounds if b is not None)


def within(contract: Contract, window: Window, before: timedelta = timedelta()) -> str:
    """The window column lies in the window, or at most so long before one of its parts, as SQL."""
    spans = (between(contract, span.start - before, span.end) for span in window.spans)
    return " OR ".join(f"({span})" for span in spans)


def overlapping(contract: Contract, batch: DataFrame) -> list[str]:
    """Conditions that no key of the batch breaks, so that a merge opens only the files that overlap its span of time.

    None for a table whose key is not cut by time: there the row of a key may be anywhere.
    """
    column = contract.window_column
    if column is None or column not in contract.key:
        return []
    # As text, which Spark writes in UTC: Python would get them in the machine's zone, where one hour happens twice.
    span = batch.agg(F.min(column).cast("string").alias("first"), F.max(column).cast("string").alias("last")).first()
    if span is None or span["first"] is None:
        return []
    kind = contract.column(column).type
    return [f"t.`{column}` >= CAST('{span['first']}' AS {kind})", f"t.`{column}` <= CAST('{span['last']}' AS {kind})"]


def _literal(bound: date | datetime, kind: str) -> str:
    moment = bound if isinstance(bound, datetime) else datetime.combine(bound, time(), UTC)
    moment = moment.astimezone(UTC)
    if kind == "timestamp":
        return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S.%f}'"
    if moment.time() != time():
        raise ValueError(f"{moment} falls inside a day, but the table is cut by date")
    return f"DATE '{moment:%Y-%m-%d}'"
