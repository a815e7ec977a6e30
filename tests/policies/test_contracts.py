"""Policies over all contracts and jobs at once: no table without a contract, no contract without a writer."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from data_contracts import ContractError, RowRule, TableRule, contract, load, load_file, made, tables
from data_contracts.contract import PEOPLE, JobRule
from feature_repo.definitions import entity_keys, online_views, views
from jobs.engine.cadence import PIPELINES
from jobs.features.hourly import HourlyTable
from jobs.features.store import feature_names
from jobs.features.tables import FeatureTable
from jobs.pipeline import JOBS, WRITERS, in_order, jobs_of

# The runner writes the record of runs, the lake what it sets aside, and a person what was decided; none is a job.
WRITTEN_BY_THE_PLATFORM = {"ops.coverage", "ops.job_runs", "ops.promotions", "quarantine.rows"}
# Columns of a key that are NULL in a row about all their values together. A table of before they were in the key has
# only such rows, and follows its contract without being made anew; nothing merges on these keys.
OF_ALL = {("gold.feed_audit", "feed_arm")}
UNITS = {
    "ms",
    "s",
    "bytes",
    "kbps",
    "px",
    "count",
    "share",
    "score",
    "1",
    "d",
    "rank",
    "position",
    "grade",
    "version",
    "millionths",
}


def rules(table: str) -> list[RowRule | JobRule | TableRule]:
    found = load(table)
    return [*found.row_rules, *found.job_rules, *found.table_rules]


def test_every_table_that_a_job_reads_or_writes_has_a_contract() -> None:
    touched = {table for job in JOBS.values() for table in (*job.reads, *job.recalls, *job.writes)}
    assert touched <= set(tables())


def test_every_contract_has_a_job_that_writes_it() -> None:
    assert set(tables()) - WRITTEN_BY_THE_PLATFORM == set(WRITERS)


def test_every_table_has_one_writer() -> None:
    written = [table for job in JOBS.values() for table in job.writes]
    assert sorted(written) == sorted(set(written))


@pytest.mark.parametrize("table", (*tables(), *made()))
def test_a_contract_says_key_units_and_what_is_personal(table: str) -> None:
    found = load(table)
    assert found.key, "every table has a key"
    assert all(found.column(k).required for k in found.key if (table, k) not in OF_ALL), "a key column is required"
    numbers = [c for c in found.columns if c.unit is not None]
    assert {c.unit for c in numbers} <= UNITS, "a unit outside the agreed ones"
    people = [c for c in found.columns if c.name == "user_id" and table not in ("silver.videos", "bronze.uploads")]
    assert all(c.classification == "personal" for c in people)
    assert all(len(c.description) > 3 for c in found.columns)


@pytest.mark.parametrize("table", (*tables(), *made()))
def test_a_table_says_whose_its_personal_columns_are_and_of_every_id_whose_it_is(table: str) -> None:
    found = load(table)
    personal = [c for c in found.columns if c.classification == "personal"]
    people = [c for c in found.columns if c.identifies in PEOPLE or (c.identifies == "kind" and c in personal)]
    # What was set aside is a row of another table, as text, which says it by that table's contract.
    if table != "quarantine.rows":
        assert bool(people) == bool(personal)
        # Of two, a row is about the pair, and is gone with either.
        assert len(people) <= 1 or all(c.name in found.key for c in people)
    ids = [c for c in found.columns if re.search(r"(^|_)(user|viewer|creator|video|upload|neighbour)_id$", c.name)]
    assert [c.name for c in ids if not c.identifies] == []
    assert all(c.type == "string" for c in found.columns if c.identifies)
    assert all(found.column("kind") for c in found.columns if c.identifies == "kind")


def test_what_names_somebody_is_written_by_a_job_under_whose_lock_they_are_forgotten() -> None:
    assert {table for table in tables() for column in load(table).columns if column.identifies} <= set(WRITERS)


def test_what_is_online_is_of_one_thing_by_whose_id_it_is_taken_out() -> None:
    assert views().keys() - online_views().keys() == {"user_creator", "user_hashtag"}
    for view, found in online_views().items():
        (key,) = entity_keys(found)
        assert {column.name for column in found.columns if column.identifies} <= {key}, view


def test_every_rule_under_which_a_job_sets_rows_aside_is_described_in_the_contract_of_its_table() -> None:
    used = set()
    for name in JOBS:
        module = import_module(f"jobs.{name}")
        source = Path(str(module.__file__)).read_text()
        for table, rule in re.findall(r"lake\.quarantine\((\w+), .*?, (\"?\w+\"?)[,)]", source):
            used.add((getattr(module, table), rule.strip('"') if rule.startswith('"') else getattr(module, rule)))
    assert used == {(table, rule.name) for table in tables() for rule in load(table).job_rules}
    assert [(table, rule.name) for table in tables() for rule in rules(table) if len(rule.description) < 10] == []


@pytest.mark.parametrize("table", (*tables(), *made()))
def test_names_follow_the_style(table: str) -> None:
    for column in load(table).columns:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
        if column.type == "boolean":
            assert column.name.startswith(("is_", "has_"))
        if column.type == "timestamp":
            assert re.search(r"(^|_)(at|start|end|from|until)$", column.name)
        if column.type == "date":
            assert column.name.endswith("_date")


@pytest.mark.parametrize(
    ("left_out", "complaint"),
    [
        ("description: Who.", "user_id.description"),
        ("classification: personal", "user_id.classification"),
        ("{property: unit, value: ms}", "the number 'watch_ms' has no unit"),
        ("{property: beyondLimit, value: Ask.}", "watch_ms.beyondLimit"),
        ("{property: retention, value: 9, unit: d}", "slaProperties.retention"),
        ("dataGranularityDescription: one play", "dataGranularityDescription"),
    ],
)
def test_a_contract_that_leaves_something_out_is_refused(tmp_path: Path, left_out: str, complaint: str) -> None:
    whole = """
apiVersion: v3.1.0
kind: DataContract
id: gold.plays
version: 1.0.0
status: active
description: {purpose: Test., usage: Test.}
schema:
  - name: plays
    description: Plays.
    dataGranularityDescription: one play
    properties:
      - name: user_id
        physicalType: string
        primaryKey: true
        required: true
        classification: personal
        description: Who.
      - name: watch_ms
        physicalType: bigint
        classification: internal
        description: Time on screen.
        customProperties:
          - {property: unit, value: ms}
          - {property: limit, value: 9}
          - {property: beyondLimit, value: Ask.}
slaProperties:
  - {property: freshness, value: 1, unit: d}
  - {property: retention, value: 9, unit: d}
"""
    path = tmp_path / "plays.odcs.yaml"
    path.write_text(whole)
    assert load_file(path).table == "gold.plays"
    cut = whole.replace(f"- {left_out}", "").replace(f", {left_out}", "").replace(left_out, "")
    assert cut != whole
    path.write_text(cut)
    with pytest.raises(ContractError, match=re.escape(complaint)):
        load_file(path)


def test_every_feature_view_has_one_declaration_which_makes_all_columns_of_its_contract() -> None:
    modules = [import_module(f"jobs.{name}") for name in JOBS]
    values = [value for module in modules for value in vars(module).values()]
    daily = [value for value in values if isinstance(value, FeatureTable)]
    hourly = [value for value in values if isinstance(value, HourlyTable)]
    assert sorted([*(table.table for table in daily), *(table.table for table in hourly)]) == sorted(
        found.table for found in views().values()
    )
    for table in daily:
        assert list(table.columns()) == [column.name for column in load(table.table).columns]


def test_the_features_that_the_ranker_reads_are_columns_of_its_examples() -> None:
    described = {column.name: column.type for column in load("gold.examples").columns}
    assert {described.get(name) for name in feature_names()} == {"bigint", "double"}
    assert [name for name in described if name in feature_names()] == list(feature_names())


def test_an_unknown_table_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ContractError, match=r"no contract.*silver\.watches"):
        contract.load("silver.nothing")


def test_a_job_runs_after_those_that_write_what_it_reads() -> None:
    order = [job.name for job in in_order(JOBS.values())]
    for job in JOBS.values():
        for table in job.reads:
            if table in WRITERS and WRITERS[table] is not job:
                assert order.index(WRITERS[table].name) < order.index(job.name)


def test_the_nightly_pipeline_holds_every_job_that_is_not_hourly() -> None:
    assert {j.name for j in jobs_of("nightly")} == {j.name for j in JOBS.values() if j.every != "hour"}
    assert set(PIPELINES) == {"ingest", "hourly", "daily", "nightly"}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_what_has_arrived_is_taken_in_before_a_pipeline_asks_which_day_is_the_newest(pipeline: str) -> None:
    jobs = jobs_of(pipeline)
    taking_in = [job for job in jobs if job.every == "5min"]
    assert jobs[: len(taking_in)] == taking_in
    written: set[str] = set()
    for job in jobs:
        later = {table for one in jobs for table in one.writes} - written - set(job.writes)
        assert not later & set(job.reads), f"{job.name} comes before what writes {later & set(job.reads)}"
        written |= set(job.writes)
