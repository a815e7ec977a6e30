"""Commits: whose run made them, and what they did.

Belongs here: the id of a run in Delta's history, put there and found there. What is committed: lake.py. The record of
the run itself: runs.py.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
# Two runs in one process share the session, of whose commits each must carry the id of its own run.
_TAGGING = threading.RLock()


@dataclass(frozen=True)
class Commit:
    """What one write did. `bytes` is the size of the files it added."""

    table: str
    version: int
    rows: int
    quarantined: int
    bytes: int


@contextmanager
def tagged(spark: SparkSession, run_id: str) -> Iterator[None]:
    """MERGE and DDL in this block commit with the id of a run, which joins Delta's history to ops.job_runs.

    A write takes the id as an option. These two ask the session for it, where it stands while they run and no longer;
    other runs of this process wait with theirs. What is written meanwhile, with neither, would carry it too.
    """
    with _TAGGING:
        before = spark.conf.get(USER_METADATA, None)
        spark.conf.set(USER_METADATA, run_id)
        try:
            yield
        finally:
            if before is None:
                spark.conf.unset(USER_METADATA)
            else:
                spark.conf.set(USER_METADATA, before)


def newest_of(run_id: str, table: str, history: Sequence[Mapping[str, Any]], quarantined: int) -> Commit | None:
    """The newest commit of a run in a table's history, newest first; None when the run made none of it."""
    ours = next((entry for entry in history if entry.get("userMetadata") == run_id), None)
    if ours is None:
        return None
    metrics = ours["operationMetrics"]
    # numOutputRows also counts the rows of other windows and keys that were merely copied to a new file; a window
    # that was emptied has none.
    rows = (
        int(metrics["numTargetRowsInserted"]) + int(metrics["numTargetRowsUpdated"])
        if "numTargetRowsInserted" in metrics
        else int(metrics.get("numOutputRows", 0)) - int(metrics.get("numCopiedRows", 0))
    )
    size = int(metrics.get("numOutputBytes", metrics.get("numTargetBytesAdded", 0)))
    return Commit(table, ours["version"], rows, quarantined, size)
