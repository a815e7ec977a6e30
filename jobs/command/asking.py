"""Answers what a person asks in SQL: `reelmill query` with one query or a file of them, and each line of the shell.

Belongs here: what a query may be beside SQL (SHOW TABLES, DESCRIBE), where its answer goes, and which job to run for a
table that is not there. Typing: shell.py. What DuckDB does: jobs/engine/sql.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import data_contracts
from jobs.command import console
from jobs.engine.sql import BadQuery, Make, NotWritten, answered, keep, near
from jobs.engine.tables import Tables, contract_of, contracted
from jobs.settings import Settings

_SHOW = re.compile(r"\s*SHOW\s+(ALL\s+)?TABLES\s*;?\s*", re.IGNORECASE)
_DESCRIBE = re.compile(r"\s*(?:DESCRIBE|DESC)\s+(?:TABLE\s+)?([\w.\"]+)\s*;?\s*", re.IGNORECASE)


class NoSuchTable(BadQuery):
    """DESCRIBE names a table that has no contract."""


@dataclass(frozen=True)
class Asking:
    """How questions are answered: of which home, as of when, and in which form."""

    settings: Settings
    at: datetime | None = None
    form: console.Form = "table"
    at_most: int | None = None

    def answer(self, sql: str) -> None:
        """Print the answer to one query. Raises BadQuery."""
        if _SHOW.fullmatch(sql):
            return self._show()
        if described := _DESCRIBE.fullmatch(sql):
            return self._describe(described[1].replace('"', "").lower())
        with _naming_the_job(), answered(sql, self.settings, at=self.at, made=self._made()) as found:
            console.result(found.columns, found.rows, self.form, self.at_most)

    def keep(self, sql: str, path: Path) -> int:
        """Write the answer to a Parquet file, whole or not at all; returns its rows. Raises BadQuery."""
        from jobs.host.files import appearing

        with _naming_the_job(), appearing(path.absolute()) as unfinished:
            return keep(sql, self.settings, unfinished, at=self.at, made=self._made())

    def _made(self) -> Mapping[str, Make]:
        """The tables that the lake does not hold. To make them takes imports longer than most queries."""

        def tables() -> list[dict[str, Any]]:
            from jobs.engine.described import tables
            from jobs.pipeline import JOBS

            return tables(JOBS.values(), self.settings, datetime.now(UTC))

        def columns() -> list[dict[str, Any]]:
            from jobs.engine.described import columns

            return columns(self.settings)

        return {"ops.tables": tables, "ops.columns": columns}

    def _show(self) -> None:
        from jobs.engine.described import listed

        there = {*Tables.of(self.settings).names(), *data_contracts.made()}
        rows = [(name, name in there, contract_of(name).description) for name in listed(self.settings)]
        console.result(["table_name", "is_written", "description"], iter(rows), self.form)

    def _describe(self, name: str) -> None:
        from jobs.engine.described import columns_of, words

        every = [*contracted(), *data_contracts.made()]
        if name not in every:
            raise NoSuchTable(f"There is no table {name}. Near it: {', '.join(near(name, every)) or 'none'}.")
        contract = contract_of(name)
        rows = columns_of(name, contract)
        if self.form == "table":
            console.words(words(name, contract))
            shown: tuple[str, ...] = ("column_name", "type", "unit", "privacy", "is_key", "description")
        else:
            shown = tuple(rows[0])
        console.result(shown, (tuple(row[column] for column in shown) for row in rows), self.form)


def statements(text: str) -> list[str]:
    """The single statements of a text. Raises BadQuery."""
    import duckdb

    try:
        with duckdb.connect() as connection:
            return [statement.query for statement in connection.extract_statements(text)]
    except duckdb.Error as error:
        raise BadQuery(str(error).strip()) from error


@contextmanager
def _naming_the_job() -> Iterator[None]:
    """Says of a table that is not there which job writes it."""
    try:
        yield
    except NotWritten as error:
        from jobs.pipeline import WRITERS

        if error.table not in WRITERS:
            raise
        job = WRITERS[error.table].name
        raise BadQuery(
            f"{error} The job {job} writes it: `reelmill run {job}`, or a pipeline with all that comes before it."
        ) from error
