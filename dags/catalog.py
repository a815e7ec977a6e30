"""The catalogue: Dagster's asset graph, one asset per table, derived from the contracts and the job declarations.

Belongs here: what Dagster is told about tables and jobs, and how it runs a job. The facts themselves: data_contracts/
and jobs/. When jobs run by themselves: the Airflow DAGs beside this file. Starting Dagster: jobs/orchestrators.py.

An asset's key is the table's name (`silver.watches` is silver/watches). Materialising it runs the job that writes it,
through jobs.runner, as Airflow and the CLI do. A job that writes no table (it publishes to Redis) is an asset under its
own name, so that it can be run and its inputs be seen.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import dagster as dg

import data_contracts
from data_contracts import Contract
from jobs.job import Job, Window
from jobs.pipeline import JOBS, WRITERS
from jobs.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from jobs.runner import JobRun

# The first day of the oldest data that can be imported: MovieLens begins in January 1995.
DAYS = dg.DailyPartitionsDefinition(start_date="1995-01-01")
NEVER = "1970-01-01 00:00:00+00:00"
# Two runs that end together may be recorded in the other order; some seconds later both are there.
SETTLED = timedelta(seconds=10)
UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "min": timedelta(minutes=1)}
# Checks that every contract implies, beside the rules that it names.
KEY_IS_UNIQUE = "key_is_unique"
REQUIRED_COLUMNS = "required_columns"


def key(name: str) -> dg.AssetKey:
    """The asset key of a table or a job."""
    return dg.AssetKey(name.split("."))


def outputs(job: Job) -> tuple[str, ...]:
    """The names of the assets that a job makes."""
    return job.writes or (job.name,)


def asset_of(job: Job) -> dg.AssetsDefinition:
    """One Dagster step per job, with an asset per table that it writes and a check per rule of its contract.

    The five-minute jobs take whatever has arrived, so they have no days. A day job takes a range of days in one run; a
    night job needs one run for each.
    """
    by_day = job.every in ("day", "night")
    # What a job reads of its own tables is its past, which orders nothing.
    deps = [key(table) for table in job.reads if table not in job.writes]

    @dg.multi_asset(
        name=job.name.replace(".", "__"),
        specs=[dg.AssetSpec(key(name), deps=deps) for name in outputs(job)],
        check_specs=list(chain.from_iterable(checks(data_contracts.load(table)) for table in job.writes)),
        partitions_def=DAYS if by_day else None,
        backfill_policy=dg.BackfillPolicy.single_run() if job.every == "day" else None,
    )
    def run(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        from jobs.runner import run_job
        from jobs.spark import session

        settings = Settings()
        spark = session(settings, job.name)
        if by_day:
            days = context.partition_key_range
            window = Window.of_days(date.fromisoformat(days.start), date.fromisoformat(days.end))
        else:
            window = Window.of_day(datetime.now(UTC).date())
        done = run_job(job, window, spark, settings, catch_up=True)
        for name in outputs(job):
            yield result(name, done, spark, settings)

    return run


def result(name: str, run: "JobRun", spark: "SparkSession", settings: Settings) -> dg.MaterializeResult[None]:
    """What a run did to one asset. A run that reached its end broke no table rule, or it would have failed."""
    metadata: dict[str, dg.MetadataValue] = {
        "run_id": dg.MetadataValue.text(run.run_id),
        "window": dg.MetadataValue.text(str(run.window)),
        "seconds": dg.MetadataValue.float(round(run.seconds, 1)),
    }
    if name not in WRITERS:
        return dg.MaterializeResult(asset_key=key(name), metadata=metadata)
    commits = [commit for commit in run.commits if commit.table == name]
    metadata["dagster/row_count"] = dg.MetadataValue.int(sum(commit.rows for commit in commits))
    metadata["quarantined"] = dg.MetadataValue.int(sum(commit.quarantined for commit in commits))
    if commits:
        metadata["delta_version"] = dg.MetadataValue.int(commits[-1].version)
    contract = data_contracts.load(name)
    broken = set_aside(name, run, spark, settings)
    verdicts = [
        dg.AssetCheckResult(
            asset_key=key(name),
            check_name=check.name,
            passed=broken[check.name] == 0,
            severity=dg.AssetCheckSeverity.WARN,  # the rows are in quarantine, the table is clean
            metadata={"rows set aside": broken[check.name]},
        )
        for check in checks(contract)
    ]
    return dg.MaterializeResult(asset_key=key(name), metadata=metadata, check_results=verdicts)


def set_aside(table: str, run: "JobRun", spark: "SparkSession", settings: Settings) -> Counter[str]:
    """How many rows this run put in quarantine, by check."""
    if not any(commit.quarantined for commit in run.commits if commit.table == table):
        return Counter()
    from pyspark.sql import functions as F

    from jobs.lake import Lake

    rows = Lake(spark, settings).read(f"quarantine.{table}").where(F.col("run_id") == run.run_id)
    rules = rows.select(F.explode("rules").alias("rule")).groupBy("rule").count().collect()
    named = {rule.name for rule in data_contracts.load(table).row_rules}
    counts: Counter[str] = Counter()
    for row in rules:
        counts[row["rule"] if row["rule"] in named else REQUIRED_COLUMNS] += row["count"]
    return counts


def checks(contract: Contract) -> list[dg.AssetCheckSpec]:
    """The rules of a contract: the key, the columns that must be there, row rules and table rules."""
    required = [column.name for column in contract.columns if column.required]
    rules = {
        KEY_IS_UNIQUE: f"One row per {', '.join(contract.key)}.",
        REQUIRED_COLUMNS: f"Never NULL: {', '.join(required)}.",
        **{rule.name: f"{rule.description} `{rule.predicate}`" for rule in contract.row_rules},
        **{rule.name: f"{rule.description} `{rule.type}{dict(rule.kwargs)}`" for rule in contract.table_rules},
    }
    return [dg.AssetCheckSpec(name, asset=key(contract.table), description=text) for name, text in rules.items()]


def described(spec: dg.AssetSpec) -> dg.AssetSpec:
    """The policy of the whole graph: whatever is in it is grouped, owned and described, and a table has its columns."""
    name = ".".join(spec.key.path)
    spec = spec.replace_attributes(group_name=spec.key.path[0], owners=["team:data-team"])
    if name in JOBS:
        return spec.replace_attributes(description=JOBS[name].doc, kinds={"redis"})
    contract = data_contracts.load(name)
    writer = WRITERS.get(name)
    promise = freshness(contract)
    policy = dg.FreshnessPolicy.time_window(warn_window=promise, fail_window=2 * promise)
    return spec.replace_attributes(
        description=f"{contract.description}\n\nOne row is {contract.grain}.\n\n{contract.usage}",
        kinds={"delta", "spark"} if writer else {"delta"},
        tags={"privacy": privacy(contract)},
        # The runner's own tables have no schedule to be late for.
        freshness_policy=policy if writer else None,
        metadata={
            "dagster/column_schema": columns(contract),
            "dagster/uri": str(Settings().lake.joinpath(*spec.key.path)),
            "key": ", ".join(contract.key),
            "contract version": contract.version,
            "freshness": contract.freshness,
            "retention": contract.retention,
            **({"job": writer.name, "what the job does": dg.MetadataValue.md(writer.doc)} if writer else {}),
        },
    )


def columns(contract: Contract) -> dg.TableSchema:
    """The columns as Dagster's catalogue shows them: type, unit, privacy class, description."""
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                column.type,
                description=column.description if column.unit is None else f"{column.description} Unit: {column.unit}.",
                constraints=dg.TableColumnConstraints(
                    nullable=not column.required, unique=contract.key == (column.name,)
                ),
                tags={"privacy": column.classification},
            )
            for column in contract.columns
        ]
    )


def privacy(contract: Contract) -> str:
    """The strictest class of its columns."""
    classes = {column.classification for column in contract.columns}
    return next(name for name in ("personal", "internal", "public") if name in classes)


def freshness(contract: Contract) -> timedelta:
    """The age that a table promises not to exceed."""
    value, unit = contract.freshness.split()
    return float(value) * UNITS[unit]


def assets() -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Every job's assets and every other contracted table (the runner's own), under one policy."""
    unwritten = [dg.AssetSpec(key(table)) for table in data_contracts.tables() if table not in WRITERS]
    return list(dg.map_asset_specs(described, [*map(asset_of, JOBS.values()), *unwritten]))


@dg.sensor(minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def runs_elsewhere(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Reports the runs that Airflow or the CLI made: without it, Dagster would call every table of theirs late."""
    from jobs.query import query

    settings = Settings()
    if not settings.lake.joinpath("ops", "job_runs", "_delta_log").exists():
        return dg.SkipReason("Nothing has run in this home yet.")
    names, rows = query(
        f"""
        SELECT run_id, job, window_start, window_end, seconds, writes,
               started_at + to_milliseconds(CAST(seconds * 1000 AS BIGINT)) AS ended_at
        FROM ops.job_runs
        WHERE status = 'succeeded' AND ended_at > TIMESTAMPTZ '{context.cursor or NEVER}'
          AND ended_at <= TIMESTAMPTZ '{datetime.now(UTC) - SETTLED}'
        ORDER BY ended_at, run_id
        """,
        settings,
    )
    runs = [dict(zip(names, row, strict=True)) for row in rows]
    if not runs:
        return dg.SkipReason("Nothing has run since the last look.")
    made = [event for run in runs if run["job"] in JOBS for event in materialisations(run, context.instance)]
    return dg.SensorResult(asset_events=made, cursor=str(runs[-1]["ended_at"].astimezone(UTC)))


def materialisations(run: Mapping[str, Any], instance: dg.DagsterInstance) -> Iterator[dg.AssetMaterialization]:
    """The asset events of one row of ops.job_runs; none for a run that Dagster made, since it has those."""
    job = JOBS[run["job"]]
    commits = {commit["table"]: commit for commit in run["writes"]}
    window = Window(run["window_start"].astimezone(UTC), run["window_end"].astimezone(UTC))
    for name in outputs(job):
        if run["run_id"] in reported(name, instance):
            continue
        metadata: dict[str, Any] = {"run_id": run["run_id"], "window": str(window), "seconds": run["seconds"]}
        if name in commits:
            commit = commits[name]
            metadata |= {"dagster/row_count": commit["rows"], "quarantined": commit["quarantined"]}
            metadata |= {"delta_version": commit["version"]}
        day = str(window.day) if job.every in ("day", "night") else None
        yield dg.AssetMaterialization(key(name), metadata=metadata, partition=day)


def reported(name: str, instance: dg.DagsterInstance) -> set[str]:
    """The run ids of the newest materialisations that Dagster knows of."""
    events = [record.asset_materialization for record in instance.fetch_materializations(key(name), limit=100).records]
    return {str(event.metadata["run_id"].value) for event in events if event and "run_id" in event.metadata}


defs = dg.Definitions(
    assets=assets(),
    sensors=[runs_elsewhere],
    executor=dg.in_process_executor,  # one Spark session per run, not one per step
)
