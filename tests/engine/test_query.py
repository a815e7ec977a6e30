"""A query sees the tables and nothing else, and its JSON loses nothing."""

import json
from pathlib import Path

import pytest

from jobs.command import console
from jobs.engine.query import BadQuery, query
from jobs.settings import Settings


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


@pytest.mark.parametrize("sql", ["", "  ", "-- nothing", "SELECT 1; SELECT 2"])
def test_anything_but_one_statement_is_told_what_a_query_is(sql: str, settings: Settings) -> None:
    with pytest.raises(BadQuery, match="A query is one SQL statement"):
        query(sql, settings)


def test_json_keeps_equal_columns_and_says_null_for_what_is_no_number(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "SELECT 1 AS a, 2 AS a, 'nan'::DOUBLE AS b, ['inf'::DOUBLE, 1.5] AS c, {'d': '-inf'::DOUBLE} AS e"
    console.result(*query(sql, settings), as_json=True)
    assert json.loads(capsys.readouterr().out) == [{"a": 1, "a_2": 2, "b": None, "c": [None, 1.5], "e": {"d": None}}]
