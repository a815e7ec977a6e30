"""What the site tells, gathered once: tables, their columns and rules, jobs, and what last became of each.

Belongs here: facts and their joins. What stands where: pages.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from data_contracts import Contract
from jobs.engine import aside, described, runs
from jobs.engine.job import Job
from jobs.engine.query import exists, query
from jobs.engine.tables import JOB_RUNS, contract_of
from jobs.settings import Settings

# For each table the newest run that wrote to it or set rows of it aside.
_LAST_CHECKS = f"""
    SELECT w.table, run_id, job, started_at, w.rows, w.quarantined, w.version
    FROM (SELECT run_id, job, started_at, unnest(writes) AS w FROM {JOB_RUNS})
    QUALIFY row_number() OVER (PARTITION BY w.table ORDER BY started_at DESC, w.version DESC) = 1
"""


@dataclass(frozen=True)
class Check:
    """What the newest run that committed to a table found: it kept its key and its table rules, or would not have."""

    run_id: str
    at: datetime
    rows: int
    version: int
    set_aside: Mapping[tuple[str, ...], int]


@dataclass(frozen=True)
class Told:
    """One table: a row of ops.tables, its contract, its newest check, and the tables and jobs that read it."""

    row: Mapping[str, Any]
    contract: Contract
    check: Check | None
    readers: tuple[Job, ...]

    @property
    def name(self) -> str:
        return str(self.row["table_name"])

    @property
    def layer(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Facts:
    """All that the site tells, as of one moment. `last` is the newest run of each job: its status and its begin."""

    tables: tuple[Told, ...]
    jobs: Mapping[str, Job]
    last: Mapping[str, tuple[str, datetime, float]]
    at: datetime


def gather(jobs: Mapping[str, Job], settings: Settings, now: datetime) -> Facts:
    """The facts of a home, be it empty."""
    checks = _checks(settings)
    told = tuple(
        Told(
            row=row,
            contract=contract_of(row["table_name"]),
            check=checks.get(row["table_name"]),
            readers=tuple(job for job in jobs.values() if row["table_name"] in job.reads),
        )
        for row in described.tables(jobs.values(), settings, now)
    )
    return Facts(told, jobs, runs.newest(settings), now)


def _checks(settings: Settings) -> dict[str, Check]:
    if not exists(JOB_RUNS, settings):
        return {}
    return {
        table: Check(run_id, at, rows, version, aside.by_rules(table, run_id, settings) if quarantined else {})
        for table, run_id, _, at, rows, quarantined, version in query(_LAST_CHECKS, settings)[1]
    }
