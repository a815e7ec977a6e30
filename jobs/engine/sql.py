"""Answers SQL over the lake with DuckDB: opens the tables that a query names, and lets it reach nothing else.

Belongs here: which tables a query names, how DuckDB reads them, now or as of an instant, and what an error says. What
is asked of single tables without SQL: query.py. What a person types and sees: jobs/command/.

Most of what a query took was the import of pyarrow, so DuckDB reads the files of a table by itself where they lie in a
folder, and through delta-rs and pyarrow only where it cannot: in a bucket, or by a newer protocol of Delta. Figures:
docs/decisions/0032.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

import data_contracts
from jobs.engine.tables import QUARANTINE, Tables, contract_of, contracted, contracted_as
from jobs.errors import ReelmillError
from jobs.settings import Settings

if TYPE_CHECKING:
    import duckdb

# Makes the rows of a table that is none of the lake's. It is called if a query names the table.
Make = Callable[[], Sequence[Mapping[str, Any]]]
# A query may be somebody else's text: it sees the tables, and neither files, the network nor variables of this program.
READ_ONLY = (
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
# What Delta's log calls a type, where DuckDB calls it otherwise.
TYPES = {
    **{"string": "VARCHAR", "timestamp": "TIMESTAMPTZ"},
    **{"byte": "TINYINT", "short": "SMALLINT", "long": "BIGINT", "binary": "BLOB", "timestamp_ntz": "TIMESTAMP"},
    # A column that never had a value, which is in no file.
    "void": "INTEGER",
}
# Delta's first protocol, which all our tables have: no deletion vectors, no mapped columns, so that a file is its rows.
PLAIN_PROTOCOL = 1
ROWS_AT_ONCE = 10_000
_NAMES_A_TABLE = re.compile(
    r"\b(?:FROM|JOIN|DESCRIBE|SUMMARIZE|TABLE)\s+((?:\w+|\"[^\"]+\")(?:\.(?:\w+|\"[^\"]+\"))*)", re.I
)


class BadQuery(ReelmillError):
    """DuckDB refused the SQL."""


class NotWritten(BadQuery):
    """A query names a table that has a contract and was never written, or not by the instant that was asked for."""

    def __init__(self, table: str, text: str) -> None:
        super().__init__(text)
        self.table = table


@dataclass(frozen=True)
class Answer:
    """Column names, and the rows as they come."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def answered(
    sql: str, settings: Settings, *, at: datetime | None = None, made: Mapping[str, Make] | None = None
) -> Iterator[Answer]:
    """The answer to one query in which tables have their layer-qualified names; a quarantine table is
    `quarantine."silver.watches"`.

    With `at` it is of the tables as they were at that instant. `made` are tables beside those of the lake, which are
    always of now. The query reads tables and nothing else, and it writes nothing. Raises BadQuery, NotWritten.
    """
    with _asked(sql, settings, at, made or {}) as (connection, statement):
        result = connection.execute(statement)
        yield Answer([column[0] for column in result.description or []], _rows(result))


def keep(
    sql: str, settings: Settings, path: Path, *, at: datetime | None = None, made: Mapping[str, Make] | None = None
) -> int:
    """Write the answer to a Parquet file, and return how many rows it has. Raises BadQuery, NotWritten."""
    with _asked(sql, settings, at, made or {}, path) as (connection, _):
        connection.sql(sql).write_parquet(str(path), compression="zstd")
        return int(connection.sql(f"SELECT count(*) FROM read_parquet({_quoted(path)})").fetchall()[0][0])


@contextmanager
def _asked(
    sql: str, settings: Settings, at: datetime | None, made: Mapping[str, Make], out: Path | None = None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, duckdb.Statement]]:
    """A connection that has what the query names and reaches nothing else, and the one statement of the query."""
    import duckdb

    tables = Tables.of(settings)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        files = [] if out is None else [str(out)]
        for name in named(sql, [*contracted(), *made]):
            if name in made:
                _give(connection, name, made[name](), at)
            elif tables.is_there(name):
                files += _open(connection, tables, name, at)
        connection.execute(f"SET allowed_paths = [{', '.join(map(_quoted, files))}]")
        for setting in READ_ONLY:
            connection.execute(setting)
        try:
            yield connection, _statement(connection, sql)
        except duckdb.Error as error:
            raise _explained(error, sql, tables, made) from error


def named(sql: str, names: Iterable[str]) -> list[str]:
    """Those of the names that a query can mean: all words of the name are words of the query.

    It may name one too many, such as in a comment, and never one too few: SQL has no other way to write a name.
    """
    words = set(re.findall(r"\w+", sql.lower()))
    return [name for name in names if words.issuperset(re.findall(r"\w+", name))]


def _open(connection: duckdb.DuckDBPyConnection, tables: Tables, name: str, at: datetime | None) -> list[str]:
    """Make a view of the table, and return the files that DuckDB has to reach for it."""
    table = tables.open(name) if at is None else _as_of(tables, name, at)
    fields = json.loads(table.schema().to_json())["fields"]
    gained = _gained(table, name, {field["name"] for field in fields})
    if not tables.root.startswith("file:") or table.protocol().min_reader_version > PLAIN_PROTOCOL:
        connection.register(f"_{name}", table.to_pyarrow_dataset())
        empty = "".join(f', CAST(NULL AS {kind}) AS "{column}"' for column, kind in gained.items())
        _view(connection, name, f'SELECT *{empty} FROM "_{name}"')
        return []
    # The columns by the log, with their types: a file of before a column was gained lacks it.
    columns = {field["name"]: _type(field["type"]) for field in fields} | gained
    listed = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
    connection.execute(f'CREATE TABLE "_{name}" ({listed})')
    # delta-rs writes a space in the name of a folder as %20 here.
    files = [unquote(uri) for uri in table.file_uris()]
    rows = f" UNION ALL BY NAME FROM read_parquet([{', '.join(map(_quoted, files))}], union_by_name = true)"
    _view(connection, name, f'FROM "_{name}"{rows if files else ""}')
    return files


def _gained(table: DeltaTable, name: str, there: Collection[str]) -> dict[str, str]:
    """The columns that the contract has gained since the table was written, with their types: NULL, as for a job.

    What does not say which contract made it was not made by the lake, and is read as it is.
    """
    contract = contracted_as(name)
    made_by = table.metadata().configuration.get("reelmill.contract")
    if made_by in (None, f"{contract}@{data_contracts.version_of(contract)}"):
        return {}
    columns = contract_of(name).columns
    return {c.name: in_duckdb(c.type) for c in columns if c.name not in there and not c.required}


def in_duckdb(kind: str) -> str:
    """A type of Spark's SQL, as contracts write it, in DuckDB's."""
    kind = kind.replace("string", "VARCHAR").replace("timestamp", "TIMESTAMPTZ")
    kind = re.sub(r"(\w+):", r'"\1" ', kind)
    while "<" in kind:
        kind = re.sub(r"struct<([^<>]*)>", r"STRUCT(\1)", kind)
        kind = re.sub(r"array<([^<>]*)>", r"\1[]", kind)
    return kind


def _type(kind: Any) -> str:
    """A type as Delta's log writes it, in DuckDB's SQL."""
    if isinstance(kind, str):
        return TYPES.get(kind, kind)
    match kind["type"]:
        case "array":
            return f"{_type(kind['elementType'])}[]"
        case "map":
            return f"MAP({_type(kind['keyType'])}, {_type(kind['valueType'])})"
        case _:
            fields = (f'"{field["name"]}" {_type(field["type"])}' for field in kind["fields"])
            return f"STRUCT({', '.join(fields)})"


def _as_of(tables: Tables, name: str, at: datetime) -> DeltaTable:
    """The table as the newest commit at or before an instant left it. Raises NotWritten, BadQuery."""
    now = tables.open(name)
    # By what commits say of themselves; delta-rs goes by the times of their files, which a copy of the lake changes.
    commits = {commit["version"]: datetime.fromtimestamp(commit["timestamp"] / 1000, UTC) for commit in now.history()}
    before = [version for version, committed_at in commits.items() if committed_at <= at]
    if not before:
        first = min(commits)
        begins = "its first version is" if first == 0 else f"its log begins with version {first},"
        raise NotWritten(name, f"{name} cannot be read as of {_written(at)}: {begins} of {_written(commits[first])}.")
    try:
        return tables.open(name, max(before))
    except DeltaError as error:
        raise BadQuery(f"{name} cannot be read as of {_written(at)}, its version {max(before)}: {error}") from error


def _give(
    connection: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Mapping[str, Any]], at: datetime | None
) -> None:
    """Make the table from rows that have the columns of its contract."""
    if at is not None:
        raise BadQuery(f"{name} says what is now, and cannot be asked as of {_written(at)}.")
    types = {column.name: in_duckdb(column.type) for column in data_contracts.load(name).columns}
    shape = json.dumps([types])
    connection.execute(
        f'CREATE TABLE "_{name}" AS SELECT unnest(from_json($rows, $shape), max_depth := 2)',
        {"rows": json.dumps(list(rows), default=str), "shape": shape},
    )
    _view(connection, name, f'FROM "_{name}"')


def _view(connection: duckdb.DuckDBPyConnection, name: str, rows: str) -> None:
    layer, _, subject = name.partition(".")
    connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{layer}"')
    connection.execute(f'CREATE VIEW "{layer}"."{subject}" AS {rows}')


def _statement(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """The one statement, which only reads. Raises BadQuery."""
    from duckdb import StatementType

    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise BadQuery(f"A query is one SQL statement, and this has {len(statements)}: SELECT * FROM a table.")
    kind = statements[0].type
    # Both may hold a COPY, which could write to the files of the tables that are open; PIVOT is of the second kind.
    may_hold = kind in (StatementType.EXPLAIN, StatementType.MULTI)
    if kind is not StatementType.SELECT and not (may_hold and not re.search(r"\b(COPY|CREATE)\b", sql, re.IGNORECASE)):
        raise BadQuery(f"A query reads tables, and this is {kind.name}: SELECT * FROM a table.")
    return statements[0]


def _explained(error: duckdb.Error, sql: str, tables: Tables, made: Mapping[str, Make]) -> BadQuery:
    """What DuckDB says, what stands near a table that is not there, and which tables are."""
    text = str(error).strip()
    there = [*tables.names()]
    every = [*contracted(), *made]
    if "Table with name" in text:
        for name in _NAMES_A_TABLE.findall(sql):
            plain = name.replace('"', "").lower()
            if plain in every and plain not in there and plain not in made:
                return _not_there(plain, tables)
            if plain not in every and (alike := near(plain, every)):
                return BadQuery(f"There is no table {plain}. Near it: {', '.join(alike)}. ({_listed(there, tables)})")
    return BadQuery(f"{text} ({_listed(there, tables)})")


def _not_there(table: str, tables: Tables) -> NotWritten:
    layer, _, of = table.partition(".")
    if layer == QUARANTINE:
        return NotWritten(table, f"Nothing of {of} was ever set aside in {tables.root}.")
    return NotWritten(table, f"{table} is not there yet in {tables.root}.")


def near(name: str, every: Sequence[str]) -> list[str]:
    """Tables whose names are like this one, those first of which only the layer is another or is left out."""
    same = [other for other in every if other.partition(".")[2] == name.rpartition(".")[2]]
    return list(dict.fromkeys([*same, *get_close_matches(name, every)]))[:3]


def _listed(there: Sequence[str], tables: Tables) -> str:
    return f"Tables: {', '.join(there) or f'none yet in {tables.root}'}."


def _rows(result: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := result.fetchmany(ROWS_AT_ONCE):
        yield from rows


def _quoted(path: str | Path) -> str:
    escaped = str(path).replace("'", "''")
    return f"'{escaped}'"


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
