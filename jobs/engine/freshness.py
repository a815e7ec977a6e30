"""How old a table may become by its contract, and by when a run must have ended for that.

Belongs here: what follows from a contract and a cadence alone, importable in a moment, since every DAG file does. Which
tables are late now: late.py.
"""

from __future__ import annotations

from datetime import timedelta

import data_contracts
from data_contracts.contract import span
from jobs.engine.job import Job
from jobs.engine.window import STEPS

# Two runs of one schedule need not take equally long; without it each table that runs as often as it promises would be
# late for a moment before each run ends.
GRACE = timedelta(hours=1)


def promise(table: str) -> timedelta:
    """The age that a table's contract promises not to exceed."""
    return span(data_contracts.load(table).freshness)


def allowed(table: str) -> timedelta:
    """How long after the last good run a table becomes late."""
    return promise(table) + min(promise(table), GRACE)


def patience(table: str, job: Job) -> timedelta:
    """How long after a run is due its table becomes late, if all runs before it ended well and at once."""
    return max(allowed(table) - STEPS[job.every].length, timedelta())
