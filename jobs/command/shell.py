"""The shell of `reelmill query`: SQL line by line until a semicolon, with completion by Tab and a history.

Belongs here: typing. What becomes of a query: asking.py. The line editor is Python's own, GNU readline
(docs/decisions/0032).
"""

from __future__ import annotations

import re
import readline
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import click

import data_contracts
from jobs.command import console
from jobs.command.asking import Asking
from jobs.engine.sql import named
from jobs.engine.tables import contract_of, contracted
from jobs.errors import ReelmillError

PROMPT, CONTINUED = "reelmill> ", "     ...> "
HISTORY, HISTORY_LINES = "query_history", 10_000
# Of an answer in the shell; beyond it nobody reads, and the question is out of sight.
ROWS_SHOWN = 200
LEAVE = {"exit", "quit", "\\q", ".quit", ".exit"}
HELP = """Queries are DuckDB's SQL and end with a semicolon. Tab completes tables and columns.
  SHOW TABLES;             what there is        DESCRIBE gold.feeds;     what each column means
  SELECT table_name, due_at, why FROM ops.tables WHERE is_late;
  help   this text         exit   leave, as Ctrl-D does         Ctrl-C   drop what is typed"""
# What a word of SQL may hold, so that gold.feeds is one.
DELIMITERS = " \t\n,;()=<>*+-/|"
KEYWORDS = (
    *("SELECT", "FROM", "WHERE", "GROUP BY ALL", "ORDER BY", "LIMIT", "JOIN", "LEFT JOIN", "USING", "HAVING", "WITH"),
    *("QUALIFY", "UNNEST", "DISTINCT", "COUNT", "INTERVAL", "DESCRIBE", "SHOW TABLES", "SUMMARIZE", "PIVOT"),
)


def open_shell(how: Asking) -> None:
    """Ask and answer until the person leaves."""
    history = how.settings.home / HISTORY
    history.parent.mkdir(parents=True, exist_ok=True)
    if history.exists():
        readline.read_history_file(history)
    readline.set_history_length(HISTORY_LINES)
    typed = Typed()
    readline.set_completer_delims(DELIMITERS)
    readline.set_completer(typed.complete)
    # Some Pythons are built with libedit, which binds keys in other words.
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
    console.say("Type SQL and end it with a semicolon; help says what else there is.")
    try:
        converse(replace(how, at_most=ROWS_SHOWN), typed, input)
    finally:
        readline.write_history_file(history)


def converse(how: Asking, typed: Typed, read: Callable[[str], str]) -> None:
    """Answer each query that is typed, until a word of LEAVE or the end of input."""
    while True:
        try:
            line = read(CONTINUED if typed.before else PROMPT)
        except EOFError:
            return
        except KeyboardInterrupt:
            console.say("")
            typed.before = ""
            continue
        word = line.strip().rstrip(";").lower()
        if not typed.before and word in LEAVE:
            return
        if not typed.before and word in ("", "help"):
            console.say(HELP if word else "")
            continue
        typed.before += f"{line}\n"
        if line.rstrip().endswith(";"):
            sql, typed.before = typed.before, ""
            _answer(how, sql)


class Typed:
    """What is typed of a query so far, and how its next word may go on."""

    def __init__(self) -> None:
        self.before = ""  # the lines above the one that is typed now
        self._found: list[str] = []

    def complete(self, text: str, number: int) -> str | None:
        """The next way to complete a word, as readline asks for it: from 0 on, until there is none."""
        if number == 0:
            self._found = self.ways(text, self.before + readline.get_line_buffer())
        return self._found[number] if number < len(self._found) else None

    def ways(self, word: str, query: str) -> list[str]:
        """Tables, the columns of those that the query names, and keywords that begin so. After an alias, columns."""
        start, dot, last = word.rpartition(".")
        columns = [column.name for table in named(query, self._tables) for column in contract_of(table).columns]
        found = [table for table in map(_quoted, self._tables) if table.startswith(word.lower())]
        if dot and not found:
            found = [f"{start}.{column}" for column in columns if column.startswith(last.lower())]
        if not dot:
            found += [column for column in columns if column.startswith(word.lower())]
            found += [keyword for keyword in KEYWORDS if word and keyword.startswith(word.upper())]
        return list(dict.fromkeys(found))

    @cached_property
    def _tables(self) -> list[str]:
        return [*contracted(), *data_contracts.made()]


def _answer(how: Asking, sql: str) -> None:
    try:
        how.answer(sql)
    except ReelmillError as error:
        click.echo(click.style("Error: ", fg="red") + str(error), err=True)
    except KeyboardInterrupt:
        console.say("stopped")


def _quoted(table: str) -> str:
    """As it is written in SQL: quarantine."bronze.events"."""
    layer, _, subject = table.partition(".")
    return table if re.fullmatch(r"\w+", subject) else f'{layer}."{subject}"'
