"""What is beyond a limit that a contract sets, and what to do about it.

Belongs here: asking tables for it, without Spark. The limits, and what to do: data_contracts/. Rows that break a rule
never come into a table: lake.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import data_contracts
from jobs.engine.query import span
from jobs.engine.tables import Tables
from jobs.settings import Settings


@dataclass(frozen=True)
class Beyond:
    """A column of a row that is beyond its limit; `row` names the row within its day."""

    table: str
    day: date
    row: str
    column: str
    value: float
    at_most: float
    action: str

    def __str__(self) -> str:
        return f"{self.row}: {self.column} of {self.day} is {self.value:.3g}, at most {self.at_most:g}. {self.action}"


@dataclass(frozen=True)
class Measured:
    """A day of a table with limits, and what is beyond them."""

    table: str
    day: date
    beyond: list[Beyond]


def beyond(table: str, first: date, last: date, settings: Settings, version: int | None = None) -> list[Beyond]:
    """What is beyond the limits of a table, whose window column is a date, from the first day to the last."""
    import pyarrow.compute as pc

    contract = data_contracts.load(table)
    at = contract.window_column
    assert at is not None and contract.column(at).type == "date", f"{table} has limits and no days"
    days = (pc.field(at) >= first) & (pc.field(at) <= last)
    rows = Tables.of(settings).open(table, version).to_pyarrow_dataset().to_table(filter=days)
    # One that the contract gained is not in a table of before, as long as nothing was written to it.
    key = [name for name in contract.key if name in rows.column_names]
    return [
        Beyond(table, row[at], _named(row, key, at), column, row[column], limit.at_most, limit.action)
        for row in rows.sort_by([(name, "ascending") for name in key]).to_pylist()
        for column, limit in contract.limits.items()
        if row[column] is not None and row[column] > limit.at_most
    ]


def _named(row: Mapping[str, Any], key: Sequence[str], at: str) -> str:
    """A row within its day, by those columns of its key that have a value."""
    return ", ".join(row[name] for name in key if name != at and row[name] is not None)


def measured(settings: Settings) -> Iterator[Measured]:
    """For each table with limits that has rows its newest day."""
    for table in data_contracts.tables():
        there = span(table, settings) if data_contracts.load(table).limits else None
        if there is not None:
            day = there[1].date() - timedelta(days=1)
            yield Measured(table, day, beyond(table, day, day, settings))
