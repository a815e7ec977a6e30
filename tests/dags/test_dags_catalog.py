"""The Dagster asset graph: its policies, and a real run of one asset."""

import json
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from pyspark.sql import SparkSession

import data_contracts
from dags import catalog
from data_contracts.delta import ddl
from jobs.job import Window
from jobs.lake import Lake
from jobs.pipeline import JOBS, WRITERS
from jobs.runner import run_job
from jobs.settings import Settings


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    return {".".join(spec.key.path): spec for spec in catalog.defs.resolve_all_asset_specs()}


def test_the_graph_loads_with_all_its_jobs_and_sensors() -> None:
    dg.Definitions.validate_loadable(catalog.defs)
    assert catalog.defs.resolve_all_asset_specs()


def test_every_contracted_table_is_an_asset_and_so_is_every_job_without_a_table(specs: dict[str, dg.AssetSpec]) -> None:
    publishers = {job.name for job in JOBS.values() if not job.writes}
    assert set(specs) == set(data_contracts.tables()) | publishers


def test_every_asset_is_described_grouped_and_owned(specs: dict[str, dg.AssetSpec]) -> None:
    assert [name for name, s in specs.items() if not (s.description and s.group_name and s.owners and s.kinds)] == []


@pytest.mark.parametrize("table", data_contracts.tables())
def test_a_table_shows_every_column_of_its_contract_with_type_and_description(
    specs: dict[str, dg.AssetSpec], table: str
) -> None:
    schema = specs[table].metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    shown = schema.columns
    contract = data_contracts.load(table)
    assert [(c.name, c.type) for c in shown] == [(c.name, c.type) for c in contract.columns]
    assert all(c.description for c in shown)


@pytest.mark.parametrize("table", sorted(WRITERS))
def test_a_table_depends_on_what_its_job_reads_and_promises_freshness(
    specs: dict[str, dg.AssetSpec], table: str
) -> None:
    job = WRITERS[table]
    assert {".".join(dep.asset_key.path) for dep in specs[table].deps} == set(job.reads) - set(job.writes)
    assert specs[table].freshness_policy is not None


@pytest.mark.parametrize("table", sorted(WRITERS))
def test_every_rule_of_a_contract_is_an_asset_check(table: str) -> None:
    contract = data_contracts.load(table)
    graph = catalog.defs.resolve_asset_graph()
    found = {check.name for check in graph.get(catalog.key(table)).check_keys}
    rules = {rule.name for rule in contract.row_rules} | {rule.name for rule in contract.table_rules}
    assert found == {catalog.KEY_IS_UNIQUE, catalog.REQUIRED_COLUMNS} | rules


def test_materialising_an_asset_runs_its_job_and_reports_rows_and_checks(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "SETTLED", timedelta(0))
    settings.events.mkdir(parents=True)
    settings.events.joinpath("a.jsonl").write_text(
        "".join(json.dumps(event(number, watch_ms)) + "\n" for number, watch_ms in enumerate([1000, 2000, -5]))
    )
    monkeypatch.setenv("REELMILL_HOME", str(settings.home))
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(catalog.assets(), selection="bronze/events", instance=instance)
        (made,) = done.get_asset_materialization_events()
        seen_again = look_for_runs(instance)
    metadata = {name: value.value for name, value in made.materialization.metadata.items()}
    assert made.asset_key == catalog.key("bronze.events")
    assert (metadata["dagster/row_count"], metadata["quarantined"], metadata["delta_version"]) == (2, 1, 1)
    broken = [check.check_name for check in done.get_asset_check_evaluations() if not check.passed]
    assert broken == ["watch_ms_is_plausible"]
    assert isinstance(seen_again, dg.SensorResult)
    assert seen_again.asset_events == [], "Dagster knows its own runs"
    assert lake.read("bronze.events").count() == 2


def test_a_day_job_also_covers_the_days_before_the_asked_ones_that_it_owes(
    lake: Lake, spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELMILL_HOME", str(settings.home))
    contract = data_contracts.load("silver.watches")
    some = {
        "string": "x",
        "boolean": False,
        "bigint": 1,
        "double": 0.5,
        "timestamp": datetime(2026, 1, 5, 10, tzinfo=UTC),
    }
    row = {column.name: some[column.type] for column in contract.columns if column.required}
    lake.insert_new("silver.watches", spark.createDataFrame([row], ddl(contract)))
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            catalog.assets(), selection="gold/user_daily", partition_key="2026-01-09", instance=instance
        )
    (made,) = done.get_asset_materialization_events()
    window = Window.of_days(date(2026, 1, 5), date(2026, 1, 9))
    assert made.materialization.metadata["window"].value == str(window)


def test_a_run_that_airflow_or_the_cli_made_shows_as_a_materialisation_once(
    spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELMILL_HOME", str(settings.home))
    monkeypatch.setattr(catalog, "SETTLED", timedelta(0))
    run = run_job(JOBS["events.ingest"], Window.of_day(date(2026, 1, 5)), spark, settings)
    with dg.DagsterInstance.ephemeral() as instance:
        first = look_for_runs(instance)
        assert isinstance(first, dg.SensorResult)
        then = look_for_runs(instance, first.cursor)
    (shown,) = first.asset_events
    assert (shown.asset_key, shown.metadata["run_id"].value) == (catalog.key("bronze.events"), run.run_id)
    assert isinstance(then, dg.SkipReason)


def look_for_runs(instance: dg.DagsterInstance, cursor: str | None = None) -> object:
    return catalog.runs_elsewhere(dg.build_sensor_context(instance=instance, cursor=cursor))


def event(number: int, watch_ms: int) -> dict[str, object]:
    at = f"2026-01-05T10:0{number}:00Z"
    return {
        "event_id": f"e{number}",
        "user_id": "u1",
        "video_id": "v1",
        "event_type": "view",
        "event_at": at,
        "watch_ms": watch_ms,
        "received_at": at,
    }
