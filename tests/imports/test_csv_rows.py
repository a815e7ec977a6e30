"""A CSV file from outside is read exactly, or refused by line and column."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.imports.csv_rows import BadFile, Column, decimal, read_rows, whole_number, words

COLUMNS = (
    Column("id", "a whole number above 0", whole_number(1, 1000)),
    Column("name", "a name of one line", words),
    Column("score", "a number from 0 to 5", decimal(0, 5)),
)


def write(folder: Path, content: bytes) -> Path:
    path = folder / "things.csv"
    path.write_bytes(content)
    return path


def rows_of(folder: Path, content: bytes) -> list[list[Any]]:
    return list(read_rows(write(folder, content), COLUMNS))


def test_three_rows_are_read_with_quotes_commas_and_letters_of_any_script(tmp_path: Path) -> None:
    content = 'id,name,score\n1,plain,4\n2,"American President, The",3.5\n3,"say ""Привет"" 日本",0.0\n'
    assert rows_of(tmp_path, content.encode()) == [
        [1, "plain", 4.0],
        [2, "American President, The", 3.5],
        [3, 'say "Привет" 日本', 0.0],
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"id,name,score\r\n1,a,2\r\n",
        b"\xef\xbb\xbfid,name,score\n1,a,2\n",
        b"id,name,score\n1,a,2",
        b'"id",name,score\n1,"a",2\n',
    ],
    ids=["windows line ends", "byte order mark", "no newline at the end", "quotes without need"],
)
def test_what_spreadsheets_write_is_read_too(tmp_path: Path, content: bytes) -> None:
    assert rows_of(tmp_path, content) == [[1, "a", 2.0]]


@pytest.mark.parametrize(
    ("content", "line", "column", "says"),
    [
        (b"", 1, "id", "is empty; the first line must be id,name,score"),
        (b"id,title,score\n1,a,2\n", 1, "name", "the header says 'title'"),
        (b"id,name\n1,a\n", 1, "score", "the line ends after 2 of 3 values"),
        (b"id,name,score,more\n", 1, "4", "4 values where 3 belong"),
        (b"id,name,score\n1,a,2\nx,b,3\n", 3, "id", "'x' is not a whole number above 0"),
        (b"id,name,score\n01,a,2\n", 2, "id", "'01' is not"),
        (b"id,name,score\n-1,a,2\n", 2, "id", "'-1' is not"),
        (b"id,name,score\n1001,a,2\n", 2, "id", "'1001' is not"),
        ("id,name,score\n\u0661,a,2\n".encode(), 2, "id", "is not a whole number"),  # an Arabic digit, int() takes it
        (b"id,name,score\n1,a,5.5\n", 2, "score", "'5.5' is not a number from 0 to 5"),
        (b"id,name,score\n1,a,nan\n", 2, "score", "'nan' is not"),
        (b"id,name,score\n1,a,1e0\n", 2, "score", "'1e0' is not"),
        (b"id,name,score\n1,a, 2\n", 2, "score", "' 2' is not"),
        (b"id,name,score\n1,  ,2\n", 2, "name", "'  ' is not a name"),
        (b"id,name,score\n1,a\x00b,2\n", 2, "name", "is not a name of one line"),
        (b"id,name,score\n1,a,2\n\n2,b,3\n", 3, "name", "the line ends after 1 of 3 values"),
        (b"id,name,score\n1,a,2\n2,b", 3, "score", "the line ends after 2 of 3 values"),
        (b"id,name,score\n1,a,b,2\n", 2, "4", "a value with a comma needs quotes"),
        (b'id,name,score\n1,"a,2\n2,b,3\n', 2, "name", "opened and not closed"),
        (b'id,name,score\n1,"a""', 2, "name", "opened and not closed"),
        (b'id,name,score\n1,"a"b,2\n', 2, "name", "text after the closing quote"),
        (b'id,name,score\n1,a"b,2\n', 2, "name", "a quote inside a value"),
        (b"id,name,score\n1,a,2\n2,caf\xe9,3\n", 3, "name", "byte 0xe9 is not UTF-8"),
        ("id,name,score\n".encode("utf-16"), 1, "id", "is not UTF-8"),
    ],
)
def test_the_first_thing_wrong_is_named_by_file_line_and_column(
    tmp_path: Path, content: bytes, line: int, column: str, says: str
) -> None:
    with pytest.raises(BadFile) as caught:
        rows_of(tmp_path, content)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert f"things.csv, line {line}, column {column}: " in str(caught.value)
    assert says in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"things\.csv: cannot be read \(No such file"):
        list(read_rows(tmp_path / "things.csv", COLUMNS))


def test_a_file_without_newlines_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="line 2, column id: is longer than"):
        rows_of(tmp_path, b"id,name,score\n" + b"x" * (3 << 20))


printable = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1).filter(lambda t: t.strip())
things = st.lists(st.tuples(st.integers(1, 1000), printable, st.decimals(0, 5, places=2)))


@given(rows=things)
def test_whatever_a_csv_writer_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["id", "name", "score"], *rows])
    path = write(tmp_path_factory.mktemp("csv"), text.getvalue().encode())
    assert list(read_rows(path, COLUMNS)) == [[i, name.strip(), float(score)] for i, name, score in rows]


@given(content=st.binary(max_size=200))
def test_any_bytes_at_all_are_either_rows_or_a_named_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = write(tmp_path_factory.mktemp("csv"), b"id,name,score\n" + content)
    try:
        for row in read_rows(path, COLUMNS):
            assert [type(value) for value in row] == [int, str, float]
    except BadFile as error:
        assert error.line is not None and error.column is not None
