"""Commands on the lake: tables, query, upkeep.

Belongs here: what is asked of any table, and done to it. What one room is asked has a module of that room's name.
"""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path
from typing import TextIO

import click

from jobs.command.options import DayOrInstant, as_json, examples


@click.command(epilog=examples("reelmill tables", "reelmill tables --json"))
@as_json
def tables(as_json: bool) -> None:
    """List the tables of the lake: path, version, rows and bytes."""
    from jobs.command import console
    from jobs.engine.query import tables as facts
    from jobs.settings import Settings

    console.tables(facts(Settings()), as_json)


@click.command(
    epilog=examples(
        'reelmill query "SELECT status, count(*) FROM silver.videos GROUP BY ALL"',
        "reelmill query \"SELECT * FROM gold.feeds WHERE user_id = 'viewer-0000' ORDER BY position LIMIT 10\" --json",
        "reelmill query 'SELECT * FROM quarantine.\"bronze.events\"'",
        'reelmill query "SELECT * FROM gold.user_daily" --parquet users.parquet',
        'reelmill query "SELECT count(*) FROM silver.watches" --at 2026-01-18T09:00Z',
        'reelmill query "DESCRIBE gold.feeds"         what each column means',
        "reelmill query -f growth.sql --csv > growth.csv",
        "reelmill query                              a shell, with completion by Tab",
    )
)
@click.argument("sql", required=False)
@click.option("-f", "--file", type=click.File(), help="Read the query from a file; - is the standard input.")
@as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@click.option("--parquet", type=click.Path(dir_okay=False, path_type=Path), help="Write a Parquet file instead.")
@click.option(
    "--at",
    type=DayOrInstant(),
    help="Ask the tables as they were at an instant, such as 2026-01-18T09:00Z, or when a day (UTC) began.",
)
def query(
    sql: str | None,
    file: TextIO | None,
    as_json: bool,
    as_csv: bool,
    parquet: Path | None,
    at: date | datetime | None,
) -> None:
    """Query the tables by their layer-qualified names, in DuckDB's SQL; without a query, open a shell.

    SHOW TABLES lists them, DESCRIBE shows what the contract of one says, and ops.tables and ops.columns answer the same
    in SQL. A file may hold several queries, which are answered one after the other.
    """
    from jobs.command import asking, console, shell
    from jobs.engine.window import instant
    from jobs.settings import Settings

    if sum((as_json, as_csv, parquet is not None)) > 1:
        raise click.UsageError("An answer has one form: --json, --csv or --parquet.")
    if sql is not None and file is not None:
        raise click.UsageError("Give the query or --file, not both.")
    form: console.Form = "json" if as_json else "csv" if as_csv else "table"
    how = asking.Asking(Settings(), None if at is None else instant(at), form)
    if sql is None and file is None:
        if parquet is None and sys.stdin.isatty():
            return shell.open_shell(how)
        file = sys.stdin
    text = sql if file is None else file.read()
    assert text is not None
    if parquet is not None:
        rows = how.keep(text, parquet)
        return console.say(f"wrote {rows:,} row{'' if rows == 1 else 's'} to {parquet}")
    # For programs an answer is one; and what is no query at all is told what one is.
    for one in asking.statements(text) if file is not None and form == "table" else [text]:
        how.answer(one)


@click.command(
    epilog=examples("reelmill upkeep", "reelmill upkeep gold.feeds silver.watches", "reelmill upkeep --json")
)
@click.argument("names", nargs=-1, metavar="[TABLE]...")
@as_json
def upkeep(names: tuple[str, ...], as_json: bool) -> None:
    """Tend tables now: remove expired rows, put small files together, remove files that no version needs.

    Jobs do that to their own tables now and then, so that nobody has to. Without a name it is done to all tables. What
    a table held within the last week can still be read (reelmill query --at). Each table waits for the job that writes
    it, should that be running.
    """
    from jobs.command import console
    from jobs.engine.tables import QUARANTINE, Tables
    from jobs.engine.upkeep import tend
    from jobs.host.locks import alone
    from jobs.pipeline import WRITERS
    from jobs.settings import Settings

    settings = Settings()
    there = list(Tables.of(settings).names())
    if unknown := [name for name in names if name not in there]:
        raise click.UsageError(f"There is no table {unknown[0]}. There are: {', '.join(there) or 'none'}.")
    done = []
    for name in names or there:
        writer = WRITERS.get(name.removeprefix(f"{QUARANTINE}."))
        with console.status(name), alone(settings, writer.name if writer else name):
            done.append(tend(name, settings))
    console.tended(done, as_json)
