"""The Dagster asset graph: its policies, and a real run of one asset."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from pyspark.sql import DataFrame, SparkSession

import data_contracts
from dags import catalog, reports
from dags.reports import key
from jobs.engine.frames import rows_of
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.query import newest_whole_day, query
from jobs.engine.runner import run_job
from jobs.engine.window import Window
from jobs.pipeline import JOBS, WRITERS
from jobs.settings import Settings
from tests.contracted import put


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
    found = {check.name for check in graph.get(key(table)).check_keys}
    rules = {rule.name for rule in contract.row_rules} | {rule.name for rule in contract.job_rules}
    rules |= {rule.name for rule in contract.table_rules}
    rules |= {reports.within(column) for column in contract.limits}
    fresh = {reports.DATA_IS_FRESH} if contract.window_column else set()
    assert found == {reports.KEY_IS_UNIQUE, reports.REQUIRED_COLUMNS} | rules | fresh


def test_a_column_beyond_its_limit_fails_its_check_as_a_warning_that_names_the_row_and_what_to_do(
    settings: Settings,
) -> None:
    table, day = "ops.feature_quality", date(2026, 1, 5)
    row = {"event_date": day, "psi_beyond_chance": 0.1, "mismatch_share": 0.05}
    put(
        settings,
        table,
        {**row, "feature": "user__watches_7d"},
        {**row, "feature": "item_item_rank", "psi_beyond_chance": 4},
    )
    put(settings, table, {**row, "feature": "fresh_rank", "event_date": date(2026, 1, 4), "psi_beyond_chance": 4})
    now = datetime.now(UTC)
    run = reports.Run("r", JOBS["ops.feature_quality"], Window.of_day(day), now, 1.0, {table: 1}, {table: 2}, 0)
    failed = [check for check in reports.verdicts(table, run, settings) if not check.passed]
    assert [(check.check_name, check.severity) for check in failed] == [
        ("psi_beyond_chance_within_limit", dg.AssetCheckSeverity.WARN),
        ("data_is_fresh", dg.AssetCheckSeverity.WARN),
    ]
    told = {name: value.value for name, value in failed[0].metadata.items()}
    assert (told["rows beyond it"], told["item_item_rank"]) == (1, 4)
    assert str(told["what to do"]).startswith("Compare scored_deciles")


def test_materialising_an_asset_runs_its_job_and_reports_rows_and_checks(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in(settings, "a.jsonl", *map(json.dumps, map(event, range(3), [1000, 2000, -5])), "no event")
    with looking_at(settings, monkeypatch) as instance:
        done = dg.materialize(catalog.assets(), selection="bronze/events", instance=instance)
        look_for_runs(instance)
        assert len(instance.fetch_materializations(EVENTS, limit=9).records) == 1, "Dagster knows its own runs"
    (made,) = done.get_asset_materialization_events()
    assert made.asset_key == EVENTS
    assert shown(made.materialization, "dagster/row_count", "quarantined", "delta_version") == (2, 2, 1)
    broken = {check.check_name for check in done.get_asset_check_evaluations() if not check.passed}
    assert broken == {"watch_ms_is_plausible", "line_is_an_event", "data_is_fresh"}
    assert lake.read("bronze.events").count() == 2


def test_a_day_job_also_covers_the_days_before_the_asked_ones_that_it_owes(
    lake: Lake, spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.insert_new("silver.watches", one_watch(spark, datetime(2026, 1, 5, 10, tzinfo=UTC)))
    monkeypatch.setattr(catalog, "DAYS", dg.DailyPartitionsDefinition(str(catalog.first_day(settings))))
    with looking_at(settings, monkeypatch) as instance:
        done = dg.materialize(
            catalog.assets(), selection="gold/user_daily", partition_key="2026-01-09", instance=instance
        )
    (made,) = done.get_asset_materialization_events()
    window = Window.of_days(date(2026, 1, 5), date(2026, 1, 9))
    assert made.materialization.metadata["window"].value == str(window)


def test_an_hourly_job_works_on_the_newest_hour_that_is_over(
    lake: Lake, spark: SparkSession, settings: Settings, noop: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    hourly = replace(noop, every="hour")
    monkeypatch.setitem(JOBS, hourly.name, hourly)
    lake.insert_new("silver.watches", one_watch(spark, datetime(2026, 1, 5, 9, 30, tzinfo=UTC)))
    with looking_at(settings, monkeypatch) as instance:
        done = dg.materialize([catalog.asset_of(hourly)], instance=instance)
    (made,) = done.get_asset_materialization_events()
    assert made.materialization.metadata["window"].value == "[2026-01-05T09:00, 2026-01-05T10:00)"


def test_a_run_of_airflow_or_the_cli_is_dated_when_it_ended_and_its_checks_are_evaluated(
    spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, window = JOBS["events.ingest"], Window.of_day(date(2026, 1, 5))
    hand_in(settings, "a.jsonl", json.dumps(event(0, 1000)), "no event")
    run_job(job, window, spark, settings)
    hand_in(settings, "b.jsonl", json.dumps(event(1, 1000)))
    last = run_job(job, window, spark, settings)
    ended_at = query(
        "SELECT max(started_at) + to_milliseconds(max_by(seconds, started_at) * 1000) FROM ops.job_runs", settings
    )
    with looking_at(settings, monkeypatch) as instance:
        first = look_for_runs(instance)
        seen = instance.fetch_materializations(EVENTS, limit=9).records
        latest = {
            name: latest_check(instance, name)
            for name in ("line_is_an_event", "watch_ms_is_plausible", "data_is_fresh")
        }
        then = look_for_runs(instance, first.cursor)
        assert len(instance.fetch_materializations(EVENTS, limit=9).records) == 2, "each run shows once"
    assert then.cursor == first.cursor
    assert abs(seen[0].timestamp - ended_at[1][0][0].timestamp()) < 0.01
    assert seen[0].asset_materialization is not None
    assert shown(seen[0].asset_materialization, "run_id", "dagster/row_count", "rows written") == (last.run_id, 2, 1)
    # The line was the first run's; the second broke nothing.
    assert latest == {"line_is_an_event": True, "watch_ms_is_plausible": True, "data_is_fresh": False}


def test_every_day_of_a_catch_up_window_is_filled_once(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    window = Window.of_days(date(2026, 1, 5), date(2026, 1, 8))
    now = datetime.now(UTC)
    run = reports.Run("r", JOBS["features.users"], window, now, 1.0, {}, {}, 0)
    users = key("gold.user_daily")
    with looking_at(settings, monkeypatch) as instance:
        by_dagster = dg.AssetMaterialization(users, partition="2026-01-08", metadata={"run_id": "r"})
        reports.report(by_dagster, now, instance)
        for event in reports.events_of(run, instance, settings):
            reports.report(event, now, instance)
        days = [
            r.asset_materialization.partition
            for r in instance.fetch_materializations(users, limit=9).records
            if r.asset_materialization
        ]
        assert sorted(map(str, days)) == [f"2026-01-0{day}" for day in (5, 6, 7, 8)]
        assert not any(isinstance(e, dg.AssetMaterialization) for e in reports.events_of(run, instance, settings))


def test_of_runs_that_found_nothing_the_newest_shows_but_every_day_of_those_that_work_by_the_day() -> None:
    def run(name: str, run_id: str, quarantined: int = 0) -> reports.Run:
        window = Window.of_day(date(2026, 1, 5))
        return reports.Run(run_id, JOBS[name], window, datetime.now(UTC), 1.0, {}, {}, quarantined)

    ingest, users = "events.ingest", "features.users"
    runs = [run(ingest, "a"), run(ingest, "b", quarantined=1), run(users, "c"), run(users, "d"), run(ingest, "e")]
    assert [kept.run_id for kept in reports.news(runs)] == ["b", "c", "d", "e"]


def test_the_days_begin_with_the_first_watch(lake: Lake, spark: SparkSession, settings: Settings) -> None:
    today = datetime.now(UTC).date()
    assert catalog.first_day(settings) == newest_whole_day(settings) == today - timedelta(days=1)
    for moment in (datetime(2026, 1, 5, 23, 30, tzinfo=UTC), datetime(2026, 1, 9, 0, 30, tzinfo=UTC)):
        lake.insert_new("silver.watches", one_watch(spark, moment))
    assert (catalog.first_day(settings), newest_whole_day(settings)) == (date(2026, 1, 5), date(2026, 1, 9))
    lake.insert_new("silver.watches", one_watch(spark, datetime.now(UTC)))
    assert newest_whole_day(settings) == today - timedelta(days=1)


EVENTS = key("bronze.events")


def one_watch(spark: SparkSession, started_at: datetime) -> DataFrame:
    contract = data_contracts.load("silver.watches")
    some = {"string": "x", "boolean": False, "bigint": 1, "double": 0.5, "timestamp": started_at}
    row = {column.name: some[column.type] for column in contract.columns if column.required}
    return rows_of(spark, "silver.watches", [row])


@contextmanager
def looking_at(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """A Dagster of this home that sees runs at once."""
    monkeypatch.setenv("REELMILL_HOME", str(settings.home))
    monkeypatch.setattr(reports, "SETTLED", timedelta(0))
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def hand_in(settings: Settings, name: str, *lines: str) -> None:
    settings.events.mkdir(parents=True, exist_ok=True)
    settings.events.joinpath(name).write_text("".join(f"{line}\n" for line in lines))


def shown(made: dg.AssetMaterialization, *names: str) -> tuple[object, ...]:
    return tuple(made.metadata[name].value for name in names)


def latest_check(instance: dg.DagsterInstance, name: str) -> bool:
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key([dg.AssetCheckKey(EVENTS, name)])
    (record,) = found.values()
    assert record is not None
    return record.status.value == "SUCCEEDED"


def look_for_runs(instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    looked = reports.runs_elsewhere(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert isinstance(looked, dg.SensorResult)
    return looked


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
