"""The record of runs, ops.job_runs: what one run did, and who ran when.

Belongs here: writing a run down and asking what is written. Running a job: runner.py.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import deltalake
import pyarrow as pa
from pyspark.sql import functions as F

from jobs.engine.job import Window
from jobs.engine.lake import Commit, Lake, alone

JOB_RUNS = "ops.job_runs"
# Each run adds a file; whoever reads the table opens so many at most, beside those that are full.
LOOSE_FILES = 100
FULL_FILE_BYTES = 16 * 2**20


@dataclass(frozen=True)
class JobRun:
    """What one run did: `rows` and `bytes` are what it committed, over all its tables."""

    run_id: str
    job: str
    window: Window
    seconds: float
    commits: tuple[Commit, ...]
    set_aside: int
    warnings: tuple[str, ...]

    @property
    def rows(self) -> int:
        return sum(c.rows for c in self.commits)

    @property
    def quarantined(self) -> int:
        return self.set_aside + sum(c.quarantined for c in self.commits)

    @property
    def bytes(self) -> int:
        return sum(c.bytes for c in self.commits)


def has_run(lake: Lake, job: str, window: Window) -> bool:
    """Whether the job succeeded for a window with this end, so that a table without its rows tells a fact."""
    if lake.version(JOB_RUNS) < 0:
        return False
    succeeded = (F.col("job") == job) & (F.col("status") == "succeeded") & (F.col("window_end") == F.lit(window.end))
    return not lake.read(JOB_RUNS).where(succeeded).isEmpty()


def record(run: JobRun, lake: Lake, started: datetime, error: Exception | None) -> None:
    """Append the run through delta-rs, which commits in milliseconds and safely beside other processes."""
    lake.create(JOB_RUNS)
    row = {
        "run_id": run.run_id,
        "job": run.job,
        "window_start": run.window.start,
        "window_end": run.window.end,
        "started_at": started,
        "seconds": round(run.seconds, 3),
        "status": "failed" if error else "succeeded",
        "error": f"{type(error).__name__}: {error}"[:4000] if error else None,
        "warnings": [text[:4000] for text in run.warnings],
        "reads": [{"table": t, "version": v} for t, v in sorted(lake.read_versions.items())],
        "writes": [asdict(c) for c in run.commits],
        "rows": run.rows,
        "quarantined": run.quarantined,
        "bytes": run.bytes,
    }
    table = deltalake.DeltaTable(str(lake.path(JOB_RUNS)))
    deltalake.write_deltalake(table, pa.Table.from_pylist([row], schema=pa.schema(table.schema())), mode="append")
    _compact(lake)


def _compact(lake: Lake) -> None:
    """Put the loose files of ops.job_runs into one, and remove those that no version of the last week has."""
    # Of two who do this at once, the second would be refused.
    with alone(lake.settings, JOB_RUNS):
        table = deltalake.DeltaTable(str(lake.path(JOB_RUNS)))
        sizes = pa.table(table.get_add_actions()).column("size_bytes").to_pylist()
        if sum(size < FULL_FILE_BYTES for size in sizes) > LOOSE_FILES:
            table.optimize.compact(target_size=FULL_FILE_BYTES)
            table.vacuum(dry_run=False)
