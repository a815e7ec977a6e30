"""The record of runs, ops.job_runs: what one run did, and who ran when.

Belongs here: writing a run down and asking what is written. Running a job: runner.py.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.commits import Commit
from jobs.engine.lake import Lake
from jobs.engine.query import exists, query
from jobs.engine.tables import JOB_RUNS, Tables, text_in
from jobs.engine.upkeep import tend_record
from jobs.engine.window import Window
from jobs.host.locks import alone
from jobs.settings import Settings

# Beside its window, what a run is made of again.
RUN_COLUMNS = ("run_id", "job", "seconds", "writes", "quarantined", "warnings")


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


@dataclass(frozen=True)
class LastRun:
    """Of the newest run of a job. `found` is the version of each table that it reads, as the run left them.

    `worked_at`: when the newest one began that was not spared since nothing was new; None if there is none.
    """

    started_at: datetime
    worked_at: datetime | None
    window_end: datetime
    status: str
    error: str | None
    warnings: tuple[str, ...]
    found: dict[str, int]


@dataclass(frozen=True)
class Attempt:
    """Who ran when, for what, and why it failed if it did."""

    run_id: str
    window: Window
    ended_at: datetime
    error: str | None


@dataclass(frozen=True)
class Outcome:
    """A run that is over; `error` is why it failed, None of one that succeeded."""

    run: JobRun
    error: str | None


def record(run: JobRun, lake: Lake, started: datetime, error: BaseException | None) -> None:
    """Append the run through delta-rs, which commits in milliseconds and safely beside other processes."""
    lake.create(JOB_RUNS)
    _append(run, lake.settings, started, error, lake.read_versions, lake.left())


def record_nothing_new(job: str, window: Window, found: dict[str, int], settings: Settings, started: datetime) -> None:
    """Append a run that found nothing new, and did nothing."""
    run = JobRun(str(uuid.uuid4()), job, window, seconds=0.0, commits=(), set_aside=0, warnings=())
    _append(run, settings, started, None, {}, found)


def record_killed(
    job: str, window: Window, run_id: str, error: Exception, settings: Settings, started: datetime
) -> None:
    """Append a run whose process was killed, and which could not do so itself.

    Unless it did all the same, or nothing was ever recorded.
    """
    if Tables.of(settings).is_there(JOB_RUNS) and outcome(run_id, settings) is None:
        seconds = (datetime.now(UTC) - started).total_seconds()
        run = JobRun(run_id, job, window, seconds, commits=(), set_aside=0, warnings=())
        _append(run, settings, started, error, {}, {})


def last(job: str, settings: Settings) -> LastRun | None:
    """The newest run of a job, killed ones aside; None before the first, and before runs said what they found."""
    tables = Tables.of(settings)
    if not tables.is_there(JOB_RUNS):
        return None
    # A query by SQL would open every table of the lake first, which takes seconds.
    rows = tables.open(JOB_RUNS).to_pyarrow_dataset()
    if "found" not in rows.schema.names:
        return None
    columns = ["started_at", "window_end", "status", "error", "warnings", "found", "seconds"]
    its = rows.to_table(columns, filter=text_in("job") == job).sort_by([("started_at", "descending")])
    for row in its.slice(0, 1).to_pylist():
        if row["found"] is not None:
            found = {entry["table"]: entry["version"] for entry in row["found"]}
            end, warnings = row["window_end"].astimezone(UTC), tuple(row["warnings"] or ())
            worked = its.filter(pc.field("seconds") > 0).column("started_at")
            worked_at = worked[0].as_py() if len(worked) else None
            return LastRun(row["started_at"], worked_at, end, row["status"], row["error"], warnings, found)
    return None


def outcome(run_id: str, settings: Settings) -> Outcome | None:
    """What became of a run, by its id; None while it goes on, and of one that was killed."""
    tables = Tables.of(settings)
    if not tables.is_there(JOB_RUNS):
        return None
    rows = tables.open(JOB_RUNS).to_pyarrow_dataset().to_table(filter=text_in("run_id") == run_id).to_pylist()
    for row in rows:
        window = Window(row["window_start"].astimezone(UTC), row["window_end"].astimezone(UTC))
        return Outcome(_run(window=window, **{name: row[name] for name in RUN_COLUMNS}), row["error"])
    return None


def attempts(settings: Settings) -> dict[str, list[Attempt]]:
    """Every run that is on record, by job; none while nothing was ever recorded."""
    tables = Tables.of(settings)
    if not tables.is_there(JOB_RUNS):
        return {}
    columns = ["run_id", "job", "window_start", "window_end", "started_at", "seconds", "error"]
    found: dict[str, list[Attempt]] = {}
    for row in tables.open(JOB_RUNS).to_pyarrow_dataset().to_table(columns).to_pylist():
        window = Window(row["window_start"].astimezone(UTC), row["window_end"].astimezone(UTC))
        ended_at = row["started_at"].astimezone(UTC) + timedelta(seconds=row["seconds"])
        found.setdefault(row["job"], []).append(Attempt(row["run_id"], window, ended_at, row["error"]))
    return found


def has_run(job: str, window: Window, settings: Settings) -> bool:
    """Whether the job succeeded for a window with this end, so that a table without its rows tells a fact."""
    succeeded = f"job = '{job}' AND status = 'succeeded' AND window_end = TIMESTAMPTZ '{window.end}'"
    return bool(_recorded(f"SELECT 1 FROM {JOB_RUNS} WHERE {succeeded} LIMIT 1", settings))


def done_until(job: str, until: datetime, settings: Settings) -> datetime | None:
    """How far, until that instant, the job has really looked: runs that were spared have not."""
    worked = f"job = '{job}' AND status = 'succeeded' AND seconds > 0 AND window_start < TIMESTAMPTZ '{until}'"
    ((end,),) = _recorded(
        f"SELECT max(least(window_end, TIMESTAMPTZ '{until}')) FROM {JOB_RUNS} WHERE {worked}", settings
    ) or [(None,)]
    return end.astimezone(UTC) if end else None


def newest(settings: Settings) -> dict[str, tuple[str, datetime, float]]:
    """Of the newest run of each job: its status, when it began, and how many seconds it took."""
    rows = _recorded(
        f"SELECT job, status, started_at, seconds FROM {JOB_RUNS} "
        "QUALIFY row_number() OVER (PARTITION BY job ORDER BY started_at DESC) = 1",
        settings,
    )
    return {job: (status, started_at, seconds) for job, status, started_at, seconds in rows}


def last_seconds(settings: Settings) -> dict[str, float]:
    """How long each job took when it last succeeded."""
    succeeded = f"SELECT * FROM {JOB_RUNS} WHERE status = 'succeeded'"
    return dict(_recorded(f"SELECT job, arg_max(seconds, started_at) FROM ({succeeded}) GROUP BY job", settings))


def succeeded_between(since: datetime, until: datetime, settings: Settings) -> list[tuple[datetime, JobRun]]:
    """The runs that succeeded and ended in `(since, until]`, each with its end, in that order."""
    rows = _recorded(
        f"""
        SELECT started_at + to_milliseconds(CAST(seconds * 1000 AS BIGINT)) AS ended_at,
               window_start, window_end, {", ".join(RUN_COLUMNS)}
        FROM {JOB_RUNS}
        WHERE status = 'succeeded' AND ended_at > TIMESTAMPTZ '{since}' AND ended_at <= TIMESTAMPTZ '{until}'
        ORDER BY ended_at, run_id
        """,
        settings,
    )
    runs = []
    for ended_at, start, end, *values in rows:
        window = Window(start.astimezone(UTC), end.astimezone(UTC))
        runs.append((ended_at.astimezone(UTC), _run(window=window, **dict(zip(RUN_COLUMNS, values, strict=True)))))
    return runs


def _run(
    *,
    window: Window,
    run_id: str,
    job: str,
    seconds: float,
    writes: list[dict[str, Any]],
    quarantined: int,
    warnings: list[str] | None,
) -> JobRun:
    commits = tuple(Commit(**write) for write in writes)
    set_aside = quarantined - sum(commit.quarantined for commit in commits)
    return JobRun(run_id, job, window, seconds, commits, set_aside, tuple(warnings or ()))


def _recorded(sql: str, settings: Settings) -> list[tuple[Any, ...]]:
    """The rows of a query over the record; none while nothing was ever recorded."""
    return query(sql, settings)[1] if exists(JOB_RUNS, settings) else []


def _versions(of: dict[str, int]) -> list[dict[str, object]]:
    return [{"table": table, "version": version} for table, version in sorted(of.items())]


def _append(
    run: JobRun,
    settings: Settings,
    started: datetime,
    error: BaseException | None,
    reads: dict[str, int],
    found: dict[str, int],
) -> None:
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
        "reads": _versions(reads),
        "found": _versions(found),
        "writes": [asdict(c) for c in run.commits],
        "rows": run.rows,
        "quarantined": run.quarantined,
        "bytes": run.bytes,
    }
    # Of two who put files together at once, the second would be refused.
    with alone(settings, JOB_RUNS):
        table = Tables.of(settings).open(JOB_RUNS)
        deltalake.write_deltalake(table, pa.Table.from_pylist([row], schema=pa.schema(table.schema())), mode="append")
        tend_record(JOB_RUNS, table.version(), settings)
