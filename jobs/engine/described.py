"""What there is and whether it is late, as rows: ops.tables and ops.columns, which `reelmill query` makes when asked.

Belongs here: those rows, each of what the contracts, the jobs, the record of runs and the Delta logs say. It is told
which jobs there are. Their columns: data_contracts/ops/made/. Opening them in SQL: sql.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import data_contracts
from data_contracts import Contract
from jobs.engine.query import facts
from jobs.engine.tables import QUARANTINE, Tables, contract_of, contracted
from jobs.settings import Settings

if TYPE_CHECKING:
    from jobs.engine.job import Job
    from jobs.engine.late import Late


def listed(settings: Settings) -> list[str]:
    """What a person is told of: all tables with a contract, what was set aside once something was, and these two."""
    there = set(Tables.of(settings).names())
    names = [name for name in contracted() if name in there or not name.startswith(f"{QUARANTINE}.")]
    return sorted([*names, *data_contracts.made()])


def tables(jobs: Iterable[Job], settings: Settings, now: datetime) -> list[dict[str, Any]]:
    """The rows of ops.tables: a row for each contract, each table of what was set aside, and these two."""
    # The record of runs knows Spark, whose import takes longer than to say what a contract says.
    from jobs.engine.late import NothingRan, dues, late

    jobs = list(jobs)
    try:
        overdue = {one.table: one for one in late(jobs, settings, now)}
        due_at = dues(jobs, settings)
    except NothingRan:
        overdue, due_at = {}, {}
    writers = {table: job for job in jobs for table in job.writes}
    return [
        {
            **words(name, contract),
            **_origin(name, writers.get(name)),
            **_size(name, settings),
            **_lateness(name, due_at, overdue),
        }
        for name, contract in _all(settings)
    ]


def columns(settings: Settings) -> list[dict[str, Any]]:
    """The rows of ops.columns, in the order of the tables and of their columns."""
    return [row for name, contract in _all(settings) for row in columns_of(name, contract)]


def columns_of(name: str, contract: Contract) -> list[dict[str, Any]]:
    """The rows of ops.columns for one table."""
    return [
        {
            "table_name": name,
            "column_name": column.name,
            "position": position,
            "type": column.type,
            "unit": column.unit,
            "description": column.description,
            "privacy": column.classification,
            "identifies": column.identifies,
            "is_key": column.name in contract.key,
            "is_required": column.required,
        }
        for position, column in enumerate(contract.columns, start=1)
    ]


def _all(settings: Settings) -> Iterator[tuple[str, Contract]]:
    for name in listed(settings):
        yield name, contract_of(name)


def words(name: str, contract: Contract) -> dict[str, Any]:
    """What its contract says of a table, as ops.tables has it."""
    return {
        "table_name": name,
        "description": contract.description,
        "grain": contract.grain,
        "usage": contract.usage,
        "key": list(contract.key),
        "privacy": contract.privacy,
        "freshness": contract.freshness,
        "retention": contract.retention,
        "contract_version": contract.version,
    }


def _origin(name: str, job: Job | None) -> dict[str, Any]:
    if job is None:
        return {"job": None, "cadence": None, "made_of": []}
    return {"job": job.name, "cadence": job.every, "made_of": [table for table in job.reads if table != name]}


def _size(name: str, settings: Settings) -> dict[str, Any]:
    found = None if name in data_contracts.made() else facts(name, settings)
    if found is None:
        return {"is_written": False, "delta_version": None, "rows": None, "bytes": None}
    return {"is_written": True, "delta_version": found.version, "rows": found.rows, "bytes": found.bytes}


def _lateness(name: str, due_at: dict[str, datetime | None], overdue: dict[str, Late]) -> dict[str, Any]:
    if name not in due_at:
        return {"due_at": None, "is_late": None, "why": None}
    its = overdue.get(name)
    return {"due_at": due_at[name], "is_late": its is not None, "why": its and str(its)}
