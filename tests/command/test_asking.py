"""What a person asks in SQL is answered in the form that was asked for, and in the words of the contracts."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from data_contracts import load, made, tables
from jobs.command.asking import Asking
from jobs.command.cli import cli
from jobs.engine.sql import BadQuery
from jobs.pipeline import WRITERS
from jobs.settings import Settings
from tests.contracted import put


@pytest.fixture
def home(settings: Settings) -> Path:
    put(settings, "silver.watches", {"user_id": "ann", "video_id": "v1", "watch_ms": 7})
    put(settings, "quarantine.silver.watches", {"job": "events.watches", "rules": ["a", "b"], "row": "{}"})
    return settings.home


def ask(home: Path, *words: str, given: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["query", *words], input=given, env={"REELMILL_HOME": str(home)})


def test_ops_tables_and_ops_columns_have_every_table_in_the_words_of_its_contract(home: Path) -> None:
    said = json.loads(ask(home, "SELECT * FROM ops.tables", "--json").output)
    named = {row["table_name"]: row for row in said}
    assert set(named) == {*tables(), *made(), "quarantine.silver.watches"} - {"quarantine.rows"}
    watches = named["silver.watches"]
    assert (watches["description"], watches["freshness"]) == (load("silver.watches").description, "5 min")
    assert (watches["job"], watches["cadence"]) == ("events.watches", WRITERS["silver.watches"].every)
    assert (watches["is_written"], watches["rows"], watches["is_late"]) == (True, 1, None)
    columns = json.loads(ask(home, "FROM ops.columns WHERE table_name = 'ops.columns'", "--json").output)
    assert [column["column_name"] for column in columns] == list(columns[0])


def test_what_is_late_is_a_question_of_sql(home: Path) -> None:
    put(
        Settings(home=home),
        "ops.job_runs",
        {"run_id": "1", "job": "events.watches", "window_start": "2026-01-18T00:00Z", "window_end": "2026-01-19T00:00Z",
         "started_at": "2026-01-19T00:10Z", "seconds": 1, "status": "succeeded"},
    )  # fmt: skip
    sql = "SELECT is_late, due_at, why FROM ops.tables WHERE table_name = 'silver.watches'"
    (late,) = json.loads(ask(home, sql, "--json").output)
    assert late["is_late"] and late["due_at"] == "2026-01-19 00:20:01+00:00"
    assert late["why"].startswith("silver.watches is late since 2026-01-19 00:20 UTC (it promises 5 min).")


def test_describe_says_what_the_contract_says_and_show_tables_what_there_is(home: Path) -> None:
    described = ask(home, "describe silver.watches;").output
    assert load("silver.watches").description in described and "5 min" in described
    listed = list(csv.DictReader(io.StringIO(ask(home, "SHOW TABLES", "--csv").output)))
    assert {row["table_name"] for row in listed if row["is_written"] == "True"} == {
        *("silver.watches", "quarantine.silver.watches", "ops.tables", "ops.columns")
    }
    with pytest.raises(BadQuery, match=r"There is no table gold\.watches\. Near it: silver\.watches"):
        Asking(Settings(home=home)).answer("DESCRIBE gold.watches")


def test_an_answer_is_a_table_json_csv_or_parquet(home: Path, tmp_path: Path) -> None:
    sql = 'SELECT job, rules, NULL AS nothing FROM quarantine."silver.watches"'
    assert ask(home, sql, "--csv").output == 'job,rules,nothing\nevents.watches,"[""a"", ""b""]",\n'
    out = tmp_path / "new" / "aside.parquet"
    assert ask(home, sql, "--parquet", str(out)).output == f"wrote 1 row to {out}\n"
    assert pq.read_table(out).to_pylist() == [{"job": "events.watches", "rules": ["a", "b"], "nothing": None}]
    assert [path.name for path in out.parent.iterdir()] == ["aside.parquet"]
    refused = ask(home, sql, "--csv", "--json")
    assert refused.exit_code == 2 and "An answer has one form" in refused.output


def test_queries_come_from_a_file_or_the_standard_input(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "two.sql"
    file.write_text("SELECT 'first' AS a; -- and\nSELECT watch_ms FROM silver.watches;")
    assert ask(home, "-f", str(file)).output.split() == ["a", "first", "1", "row", "watch_ms", "7", "1", "row"]
    assert json.loads(ask(home, "--json", given="SELECT 1 AS a").output) == [{"a": 1}]


def test_the_tables_are_asked_as_they_were(home: Path) -> None:
    with pytest.raises(BadQuery, match=r"cannot be read as of 2026-01-18 00:00:00 UTC: its first version is of "):
        CliRunner().invoke(
            cli,
            ["query", "FROM silver.watches", "--at", "2026-01-18"],
            env={"REELMILL_HOME": str(home)},
            catch_exceptions=False,
        )
    assert ask(home, "SELECT watch_ms FROM silver.watches", "--at", "9999-01-01").output.split()[1] == "7"


def test_a_table_that_is_not_there_names_the_job_that_writes_it(home: Path) -> None:
    with pytest.raises(BadQuery, match=r"The job feeds\.build writes it: `reelmill run feeds\.build`"):
        Asking(Settings(home=home)).answer("SELECT * FROM gold.feeds")


@pytest.mark.slow
def test_a_query_imports_neither_spark_nor_pandas_and_a_reader_may_leave(home: Path) -> None:
    environment = {**os.environ, "REELMILL_HOME": str(home), "PYTHONPROFILEIMPORTTIME": "1"}
    sql = "SELECT watch_ms FROM silver.watches, range(100_000)"
    with subprocess.Popen(
        [sys.executable, "-m", "jobs.command.cli", "query", sql, "--csv"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "watch_ms\n"
        process.stdout.close()
        said = process.stderr.read()
    assert "Error" not in said
    imported = {line.rpartition("|")[2].strip() for line in said.splitlines()}
    assert not imported & {"pyspark", "pandas", "pyarrow", "open_data_contract_standard"} and "duckdb" in imported


def test_a_query_and_a_file_are_not_both_asked() -> None:
    with pytest.raises(click.UsageError, match="not both"):
        CliRunner().invoke(cli, ["query", "SELECT 1", "-f", "-"], standalone_mode=False, catch_exceptions=False)
