"""What Dagster is told about runs: what they made, of which days, when they ended, and what their checks said.

Belongs here: from one run, whoever made it, to Dagster's events, and the sensor that reports the runs of Airflow and
the command. Which assets and checks there are, and running a job from Dagster: catalog.py. The runs: ops.job_runs.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

# `report_runless_asset_event` is public and the same, but dates every event with the moment of the call.
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID

import data_contracts
from data_contracts import Contract
from jobs.engine import aside
from jobs.engine.freshness import promise
from jobs.engine.job import Job
from jobs.engine.limits import beyond
from jobs.engine.query import exists, facts, span
from jobs.engine.runs import JobRun, succeeded_between
from jobs.engine.tables import JOB_RUNS
from jobs.engine.window import Window
from jobs.pipeline import JOBS, WRITERS
from jobs.settings import Settings

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
# Two runs that end together may be recorded in the other order; some seconds later both are there.
SETTLED = timedelta(seconds=10)
# Dagster gives a look of a sensor a minute; what is left is reported by the next one.
LOOK_S = 30.0
# Checks that every contract implies, beside the rules that it names.
KEY_IS_UNIQUE = "key_is_unique"
REQUIRED_COLUMNS = "required_columns"
DATA_IS_FRESH = "data_is_fresh"


@dataclass(frozen=True)
class Run:
    """One run that succeeded. `versions` and `written` (rows) are by table, of its last commit and of all of them."""

    run_id: str
    job: Job
    window: Window
    ended_at: datetime
    seconds: float
    versions: Mapping[str, int]
    written: Mapping[str, int]
    quarantined: int

    @property
    def did_nothing(self) -> bool:
        return not self.versions and not self.quarantined


def key(name: str) -> dg.AssetKey:
    """The asset key of a table or a job."""
    return dg.AssetKey(name.split("."))


def outputs(job: Job) -> tuple[str, ...]:
    """The names of the assets that a job makes."""
    return job.writes or (job.name,)


def has_days(job: Job) -> bool:
    """Whether its assets are made day by day; the other jobs take whatever has arrived."""
    return job.every in ("day", "night")


def described_checks(contract: Contract) -> dict[str, str]:
    """The checks of a table, by name: what its contract says, by row, by batch, by key and by age."""
    required = [column.name for column in contract.columns if column.required]
    checks = {
        KEY_IS_UNIQUE: f"One row per {', '.join(contract.key)}.",
        REQUIRED_COLUMNS: f"Never NULL: {', '.join(required)}.",
        **{rule.name: f"{rule.description} `{rule.predicate}`" for rule in contract.row_rules},
        **{rule.name: rule.description for rule in contract.job_rules},
        **{rule.name: f"{rule.description} `{rule.type}{dict(rule.kwargs)}`" for rule in contract.table_rules},
        **{within(name): f"{name} is at most {limit.at_most:g}." for name, limit in contract.limits.items()},
    }
    if contract.window_column:
        checks[DATA_IS_FRESH] = (
            f"When a run ends, the newest {contract.window_column} is at most twice the promise old."
        )
    return checks


def within(column: str) -> str:
    """The name of the check that a column is within its limit."""
    return f"{column}_within_limit"


def ended(run: JobRun, at: datetime) -> Run:
    """A run that succeeded at that moment."""
    written: Counter[str] = Counter()
    for commit in run.commits:
        written[commit.table] += commit.rows
    versions = {commit.table: commit.version for commit in run.commits}
    return Run(run.run_id, JOBS[run.job], run.window, at, run.seconds, versions, written, run.quarantined)


def finished_since(cursor: str | None, settings: Settings) -> list[Run]:
    """The successful runs of our jobs that ended after the cursor, in the order in which they ended."""
    since = datetime.fromisoformat(cursor) if cursor else NEVER
    found = succeeded_between(since, datetime.now(UTC) - SETTLED, settings)
    return [ended(run, at) for at, run in found if run.job in JOBS]


def metadata(name: str, run: Run, settings: Settings) -> dict[str, Any]:
    """What is shown beside a materialisation: the run, what it wrote, and the whole table as the run left it."""
    shown: dict[str, Any] = {"run_id": run.run_id, "window": str(run.window), "seconds": round(run.seconds, 1)}
    if name not in WRITERS:
        return shown
    shown |= {"rows written": run.written.get(name, 0), "quarantined": _set_aside(name, run, settings).total()}
    version = run.versions.get(name)
    if version is not None:
        shown["delta_version"] = version
    if (table := facts(name, settings, version)) is not None:
        shown["dagster/row_count"] = table.rows
    return shown


def _set_aside(table: str, run: Run, settings: Settings) -> Counter[tuple[str, ...]]:
    return aside.by_rules(table, run.run_id, settings) if run.quarantined else Counter()


def verdicts(table: str, run: Run, settings: Settings) -> list[dg.AssetCheckEvaluation]:
    """What the checks of a table say after a run. It reached its end, so it broke no table rule and no key.

    A run that touched no row evaluated no rule. How old the data is, is asked after every run.
    """
    contract = data_contracts.load(table)
    set_aside = _set_aside(table, run, settings)
    missing = {f"{column.name}_required" for column in contract.columns}
    broken: Counter[str] = Counter()
    for rules, count in set_aside.items():
        # A row counts once for each check, however many of its columns are missing.
        for check in {REQUIRED_COLUMNS if rule in missing else rule for rule in rules}:
            broken[check] += count
    touched = table in run.versions or bool(set_aside)
    evaluations = _limits(contract, run, settings) if table in run.versions else []
    limited = {within(column) for column in contract.limits}
    for check in described_checks(contract):
        if check == DATA_IS_FRESH:
            evaluations += _age(contract, run, settings)
        elif touched and check not in limited:
            evaluations.append(_verdict(table, check, broken[check] == 0, {"rows set aside": broken[check]}))
    return evaluations


def _age(contract: Contract, run: Run, settings: Settings) -> list[dg.AssetCheckEvaluation]:
    there = span(contract.table, settings, run.versions.get(contract.table))
    if there is None:
        return []
    age = max(run.ended_at - there[1], timedelta())
    shown = {"newest": there[1].isoformat(), "age in hours": round(age / timedelta(hours=1), 1)}
    return [_verdict(contract.table, DATA_IS_FRESH, age <= 2 * promise(contract.table), shown)]


def _limits(contract: Contract, run: Run, settings: Settings) -> list[dg.AssetCheckEvaluation]:
    if not contract.limits:
        return []
    first, last, version = run.window.start.date(), run.window.day, run.versions[contract.table]
    found = beyond(contract.table, first, last, settings, version)
    evaluations = []
    for column, limit in contract.limits.items():
        rows = {one.row: one.value for one in found if one.column == column}
        shown = {"rows beyond it": len(rows), "what to do": limit.action, **rows}
        evaluations.append(_verdict(contract.table, within(column), not rows, shown))
    return evaluations


def _verdict(table: str, check: str, passed: bool, shown: dict[str, Any]) -> dg.AssetCheckEvaluation:
    # A warning: rows that break a rule are in quarantine, and the table is clean; what is beyond a limit is a person's.
    severity = dg.AssetCheckSeverity.WARN
    return dg.AssetCheckEvaluation(key(table), check, passed, metadata=shown, severity=severity)


@dg.sensor(minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def runs_elsewhere(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Reports the runs that Airflow or the CLI made: without it, Dagster would call every table of theirs late."""
    settings = Settings()
    if not exists(JOB_RUNS, settings):
        return dg.SkipReason("Nothing has run in this home yet.")
    cursor, count, until = context.cursor, 0, time.monotonic() + LOOK_S
    runs = news(finished_since(cursor, settings))
    for run in runs:
        for event in events_of(run, context.instance, settings):
            report(event, run.ended_at, context.instance)
            count += 1
            if time.monotonic() > until:
                return dg.SensorResult(skip_reason=f"{count} events of runs; more follow.", cursor=cursor)
        cursor = str(run.ended_at)
    return dg.SensorResult(skip_reason=f"{count} events of {len(runs)} runs.", cursor=cursor)


def news(runs: Sequence[Run]) -> list[Run]:
    """The runs without those that looked for what had arrived and found nothing, but for the newest of each job."""
    newest = {run.job.name: run.run_id for run in runs}
    return [run for run in runs if has_days(run.job) or not run.did_nothing or newest[run.job.name] == run.run_id]


def events_of(
    run: Run, instance: dg.DagsterInstance, settings: Settings
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """What Dagster does not know yet of a run: a materialisation for each day of its window, then its checks."""
    for name in outputs(run.job):
        days, is_dagsters = reported(name, run, instance)
        missing = [day for day in partitions(run.job, run.window) if day not in days]
        shown = metadata(name, run, settings) if missing else {}
        yield from (dg.AssetMaterialization(key(name), metadata=shown, partition=day) for day in missing)
        if name in WRITERS and not is_dagsters:
            yield from verdicts(name, run, settings)


def partitions(job: Job, window: Window) -> list[str | None]:
    """The days of a window, oldest first, as Dagster names them; one None for a job without days."""
    if not has_days(job):
        return [None]
    first: date = window.start.date()
    return [str(first + timedelta(days=n)) for n in range((window.day - first).days + 1)]


def reported(name: str, run: Run, instance: dg.DagsterInstance) -> tuple[set[str | None], bool]:
    """The days of a run that Dagster has for an asset, and whether it made the run itself."""
    since = dg.AssetRecordsFilter(key(name), after_timestamp=(run.ended_at - timedelta(seconds=1)).timestamp())
    days: set[str | None] = set()
    is_dagsters = False
    for record in instance.fetch_materializations(since, limit=len(partitions(run.job, run.window)) + 100).records:
        made = record.asset_materialization
        if made and made.metadata.get("run_id") == dg.MetadataValue.text(run.run_id):
            days.add(made.partition)
            is_dagsters = is_dagsters or record.run_id != RUNLESS_RUN_ID
    return days, is_dagsters


def report(
    event: dg.AssetMaterialization | dg.AssetCheckEvaluation, at: datetime, instance: dg.DagsterInstance
) -> None:
    """Record an event of no run of Dagster's, dated when it happened."""
    made = isinstance(event, dg.AssetMaterialization)
    kind = DagsterEventType.ASSET_MATERIALIZATION if made else DagsterEventType.ASSET_CHECK_EVALUATION
    specific = StepMaterializationData(event) if isinstance(event, dg.AssetMaterialization) else event
    wrapped = DagsterEvent(kind.value, RUNLESS_JOB_NAME, event_specific_data=specific)
    instance.report_dagster_event(wrapped, RUNLESS_RUN_ID, timestamp=at.timestamp())
