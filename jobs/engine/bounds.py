"""Conditions on a table's window column, as Spark SQL: which rows lie between two moments, which files a merge opens.

Belongs here: text made of a contract and of moments. What is read and written by it: lake.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from data_contracts.contract import Contract
from jobs.engine.rules import SchemaMismatch
from jobs.engine.window import Window, of_micros

DAY = timedelta(days=1)
# A condition of more is longer than what it leaves out is worth.
MOST_SPANS = 32


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
    """Conditions that no row with a key of the batch breaks, so that a merge opens only files of the batch's days.

    None for a table whose key is not cut by time: there the row of a key may be anywhere.
    """
    column, slack = contract.window_column, contract.key_within
    if column is None or (column not in contract.key and slack is None):
        return []
    at = F.col(column).cast("timestamp")
    found = batch.agg(F.unix_micros(F.min(at)), F.unix_micros(F.max(at)), F.collect_set(F.to_date(at))).first()
    if found is None or found[0] is None:
        return []
    kind = contract.column(column).type
    spans = near(of_micros(found[0]), of_micros(found[1]), found[2], slack or timedelta())
    bounds = [[_literal(end.date() if kind == "date" else end, kind) for end in span] for span in spans]
    either = " OR ".join(f"t.`{column}` BETWEEN {since} AND {until}" for since, until in bounds)
    return [f"({either})"]


def near(first: datetime, last: datetime, days: Iterable[date], slack: timedelta) -> list[tuple[datetime, datetime]]:
    """From when to when, both included, whatever is at most `slack` away from a batch is: `first` to `last` on `days`.

    One event of a month ago among those of today does not make all of the month near.
    """
    runs: list[tuple[datetime, datetime]] = []
    for day in sorted(days):
        midnight = datetime.combine(day, time(), UTC)
        begin, end = max(midnight, first) - slack, min(midnight + DAY - timedelta(microseconds=1), last) + slack
        if runs and begin <= runs[-1][1] + timedelta(microseconds=1):
            begin = runs.pop()[0]
        runs.append((begin, end))
    return runs if len(runs) <= MOST_SPANS else [(runs[0][0], runs[-1][1])]


def _literal(bound: date | datetime, kind: str) -> str:
    moment = bound if isinstance(bound, datetime) else datetime.combine(bound, time(), UTC)
    moment = moment.astimezone(UTC)
    if kind == "timestamp":
        return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S.%f}'"
    if moment.time() != time():
        raise ValueError(f"{moment} falls inside a day, but the table is cut by date")
    return f"DATE '{moment:%Y-%m-%d}'"
