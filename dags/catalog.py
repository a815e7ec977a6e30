"""The catalogue: Dagster's asset graph, one asset per table, derived from the contracts and the job declarations.

Belongs here: what Dagster is told about tables and jobs, and how it runs a job. What it is told about runs: reports.py.
The facts themselves: data_contracts/ and jobs/. When jobs run by themselves: the Airflow DAGs beside this file.
Starting Dagster: jobs/command/orchestrators.py.

An asset's key is the table's name (`silver.watches` is silver/watches). Materialising it runs the job that writes it,
through the engine's runner, as Airflow and the CLI do. A job that writes no table (it publishes to Redis) is an asset
under its own name, so that it can be run and its inputs be seen.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import chain

import dagster as dg

import data_contracts
from dags.reports import (
    Run,
    described_checks,
    ended,
    has_days,
    key,
    metadata,
    outputs,
    runs_elsewhere,
    verdicts,
)
from data_contracts import Contract
from jobs.engine.freshness import promise
from jobs.engine.job import Job
from jobs.engine.query import span
from jobs.engine.tables import Tables
from jobs.engine.window import window_for
from jobs.pipeline import JOBS, WRITERS
from jobs.settings import Settings


def first_day(settings: Settings) -> date:
    """The day of the first watch, with which the features begin; without any yet, the last day that is over."""
    there = span("silver.watches", settings)
    return there[0].date() if there else datetime.now(UTC).date() - timedelta(days=1)


# Read once, when Dagster loads this file: days before it, imported later, are there after "Reload definitions".
DAYS = dg.DailyPartitionsDefinition(start_date=str(first_day(Settings())))


def asset_of(job: Job) -> dg.AssetsDefinition:
    """One Dagster step per job, with an asset per table that it writes and a check per rule of its contract.

    A day job takes a range of days in one run; a night job needs one run for each. The five-minute jobs take whatever
    has arrived, so they have no days. An hourly job has none either, and works on the newest hour that is over: 22
    years of MovieLens have 190 000 hours, and Dagster asks for at most 100 000 partitions. Others: `reelmill run`.
    """
    # What a job reads of its own tables is its past, which orders nothing.
    deps = [key(table) for table in job.reads if table not in job.writes]

    @dg.multi_asset(
        name=job.name.replace(".", "__"),
        specs=[dg.AssetSpec(key(name), deps=deps) for name in outputs(job)],
        check_specs=list(chain.from_iterable(checks(data_contracts.load(table)) for table in job.writes)),
        partitions_def=DAYS if has_days(job) else None,
        backfill_policy=dg.BackfillPolicy.single_run() if job.every == "day" else None,
    )
    def run(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        from jobs.engine.lake import Lake
        from jobs.engine.runner import newest, run_job
        from jobs.engine.spark import session

        settings = Settings()
        spark = session(settings, job.name)
        if has_days(job):
            window = window_for(job.every, *context.partition_time_window)
        else:
            window = window_for(job.every, newest(job.every, Lake(spark, settings)))
        done = ended(run_job(job, window, spark, settings, catch_up=True), datetime.now(UTC))
        for name in outputs(job):
            yield result(name, done, settings)

    return run


def result(name: str, run: Run, settings: Settings) -> dg.MaterializeResult[None]:
    """What a run did to one asset."""
    evaluations = verdicts(name, run, settings) if name in WRITERS else []
    checked = [
        dg.AssetCheckResult(
            asset_key=v.asset_key, check_name=v.check_name, passed=v.passed, severity=v.severity, metadata=v.metadata
        )
        for v in evaluations
    ]
    return dg.MaterializeResult(asset_key=key(name), metadata=metadata(name, run, settings), check_results=checked)


def checks(contract: Contract) -> list[dg.AssetCheckSpec]:
    """The checks of a table as Dagster declares them."""
    described = described_checks(contract)
    return [dg.AssetCheckSpec(name, asset=key(contract.table), description=text) for name, text in described.items()]


def described(spec: dg.AssetSpec) -> dg.AssetSpec:
    """The policy of the whole graph: whatever is in it is grouped, owned and described, and a table has its columns."""
    name = ".".join(spec.key.path)
    spec = spec.replace_attributes(group_name=spec.key.path[0], owners=["team:data-team"])
    # A job may have the name of the table that it writes.
    if name in JOBS and name not in WRITERS:
        return spec.replace_attributes(description=JOBS[name].doc, kinds={"redis"})
    contract = data_contracts.load(name)
    writer = WRITERS.get(name)
    policy = dg.FreshnessPolicy.time_window(warn_window=promise(name), fail_window=2 * promise(name))
    return spec.replace_attributes(
        description=f"{contract.description}\n\nOne row is {contract.grain}.\n\n{contract.usage}",
        kinds={"delta", "spark"} if writer else {"delta"},
        tags={"privacy": contract.privacy},
        # The runner's own tables have no schedule to be late for.
        freshness_policy=policy if writer else None,
        metadata={
            "dagster/column_schema": columns(contract),
            "dagster/uri": Tables.of(Settings()).uri(name),
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


def assets() -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Every job's assets and every other contracted table (the runner's own), under one policy."""
    unwritten = [dg.AssetSpec(key(table)) for table in data_contracts.tables() if table not in WRITERS]
    return list(dg.map_asset_specs(described, [*map(asset_of, JOBS.values()), *unwritten]))


defs = dg.Definitions(
    assets=assets(),
    sensors=[runs_elsewhere],
    executor=dg.in_process_executor,  # one Spark session per run, not one per step
)
