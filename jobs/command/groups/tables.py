"""Commands that read the lake: tables, query.

Belongs here: questions about any table. What is asked of one room only has a module of that room's name.
"""

from __future__ import annotations

import click

from jobs.command.options import as_json, examples


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
    )
)
@click.argument("sql")
@as_json
def query(sql: str, as_json: bool) -> None:
    """Query the tables by their layer-qualified names, in DuckDB's SQL."""
    from jobs.command import console
    from jobs.engine.query import query as ask
    from jobs.settings import Settings

    console.result(*ask(sql, Settings()), as_json)
