"""A query sees the tables that it names, now or as they were, and nothing else."""

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable, Field, write_deltalake
from deltalake.schema import PrimitiveType

from jobs.command import console
from jobs.engine.query import query
from jobs.engine.sql import BadQuery, NotWritten, answered, keep, named
from jobs.engine.tables import Tables
from jobs.settings import Settings
from tests.contracted import put

ANN = {"user_id": "ann", "video_id": "v1", "feed_version": "f", "event_date": "2026-01-18", "position": 0}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM '{file}'",
        "COPY (SELECT 1) TO '{file}'",
        "ATTACH '{file}.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SELECT * FROM names",
    ],
)
def test_a_query_reaches_no_file_no_extension_and_no_variable(sql: str, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "private.csv"
    file.write_text("secret\n1\n")
    with pytest.raises(BadQuery):
        query(sql.format(file=file), settings)
    assert file.read_text() == "secret\n1\n"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["private.csv"]


@pytest.mark.parametrize("sql", ["COPY ({}) TO '{}'", "EXPLAIN ANALYZE COPY ({}) TO '{}'"])
@pytest.mark.parametrize("select", ["SELECT 1 AS a FROM gold.feeds", "PIVOT gold.feeds ON video_id USING count(*)"])
def test_a_query_does_not_write_over_the_files_that_it_reads(sql: str, select: str, settings: Settings) -> None:
    put(settings, "gold.feeds", ANN)
    (file,) = map(Path, Tables.of(settings).open("gold.feeds").file_uris())
    before = file.read_bytes()
    with pytest.raises(BadQuery, match="A query reads tables"):
        query(sql.format(select, file), settings)
    assert file.read_bytes() == before


@pytest.mark.parametrize("sql", ["", "  ", "-- nothing", "SELECT 1; SELECT 2"])
def test_anything_but_one_statement_is_told_what_a_query_is(sql: str, settings: Settings) -> None:
    with pytest.raises(BadQuery, match="A query is one SQL statement"):
        query(sql, settings)


def test_json_keeps_equal_columns_and_says_null_for_what_is_no_number(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "SELECT 1 AS a, 2 AS a, 'nan'::DOUBLE AS b, ['inf'::DOUBLE, 1.5] AS c, {'d': '-inf'::DOUBLE} AS e"
    console.result(*query(sql, settings), "json")
    assert json.loads(capsys.readouterr().out) == [{"a": 1, "a_2": 2, "b": None, "c": [None, 1.5], "e": {"d": None}}]


def test_only_tables_that_a_query_can_mean_are_opened() -> None:
    names = ["gold.feeds", "gold.user_daily", "bronze.events", "quarantine.bronze.events"]
    assert named("SELECT * FROM Gold . feeds", names) == ["gold.feeds"]
    assert named('SELECT * FROM quarantine."bronze.events"', names) == ["bronze.events", "quarantine.bronze.events"]
    assert named("SELECT gold FROM user", names) == []


def test_a_table_reads_as_delta_rs_reads_it_also_where_older_files_lack_a_column(settings: Settings) -> None:
    put(settings, "ops.job_runs", {"run_id": "old", "started_at": "2026-01-18T09:00Z", "reads": []})
    table = Tables.of(settings).open("ops.job_runs")
    table.alter.add_columns([Field("more", PrimitiveType("long"))])
    names, rows = query("SELECT * FROM ops.job_runs", settings)
    there = DeltaTable(table.table_uri).to_pyarrow_table()
    assert names == there.column_names and names[-1] == "more"
    assert [dict(zip(names, row, strict=True)) for row in rows] == there.to_pylist()
    assert query("SELECT typeof(started_at), typeof(more) FROM ops.job_runs", settings)[1] == [
        ("TIMESTAMP WITH TIME ZONE", "BIGINT")
    ]


def test_a_column_that_the_contract_has_gained_since_is_null(settings: Settings) -> None:
    put(settings, "ops.job_runs", {"run_id": "old"})
    uri = Tables.of(settings).uri("ops.job_runs")
    older = DeltaTable(uri).to_pyarrow_table().drop_columns(["found", "warnings"])
    write_deltalake(uri, older, mode="overwrite", schema_mode="overwrite")
    DeltaTable(uri).alter.set_table_properties({"reelmill.contract": "ops.job_runs@1.0.0"}, raise_if_not_exists=False)
    assert query("SELECT run_id, found, typeof(found), warnings FROM ops.job_runs", settings)[1] == [
        ("old", None, 'STRUCT("table" VARCHAR, "version" BIGINT)[]', None)
    ]


def test_a_home_may_have_a_space_in_its_name(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "a home")
    put(settings, "gold.feeds", ANN)
    assert query("SELECT user_id FROM gold.feeds", settings)[1] == [("ann",)]


def test_a_table_is_asked_as_of_an_instant(settings: Settings) -> None:
    before = datetime.now(UTC)
    time.sleep(0.01)
    put(settings, "gold.feeds", ANN)
    time.sleep(0.01)
    then = datetime.now(UTC)
    time.sleep(0.01)
    put(settings, "gold.feeds", {**ANN, "position": 1})
    count = "SELECT count(*) FROM gold.feeds"
    for at, rows in ((then, 1), (datetime.now(UTC), 2)):
        with answered(count, settings, at=at) as answer:
            assert list(answer.rows) == [(rows,)]
    too_early = r"gold\.feeds cannot be read as of .*: its first version is of "
    with pytest.raises(NotWritten, match=too_early), answered(count, settings, at=before):
        pass


def test_an_answer_is_kept_as_parquet(settings: Settings, tmp_path: Path) -> None:
    put(settings, "gold.feeds", ANN)
    assert keep("FROM gold.feeds", settings, tmp_path / "feeds.parquet") == 1
    with pytest.raises(BadQuery, match="A query reads tables"):
        keep("COPY (SELECT 1) TO 'x'", settings, tmp_path / "x.parquet")


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("FROM gold.feed", r"There is no table gold\.feed\. Near it: gold\.feeds, "),
        ("SELECT * FROM feeds JOIN x USING (y)", r"There is no table feeds\. Near it: gold\.feeds"),
        ("SELECT * FROM gold.models", r"^gold\.models is not there yet in file://"),
        ('FROM quarantine."gold.feeds"', r"^Nothing of gold\.feeds was ever set aside in "),
        ("SELECT scores FROM gold.feeds", r'"score".*\(Tables: gold\.feeds\.\)'),
    ],
)
def test_an_error_names_what_is_near(sql: str, error: str, settings: Settings) -> None:
    put(settings, "gold.feeds", ANN)
    with pytest.raises(BadQuery) as raised:
        query(sql, settings)
    assert re.search(error, str(raised.value), re.DOTALL), raised.value
