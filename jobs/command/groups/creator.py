"""The command for a creator: `reelmill creator`.

Belongs here: arguments and help. What is told: jobs/command/reach.py.
"""

from __future__ import annotations

from datetime import date

import click

from jobs.command.options import Day, as_json, examples


@click.command(epilog=examples("reelmill creator creator-000", "reelmill creator creator-000 --day 2026-01-18 --json"))
@click.argument("creator_id")
@click.option("--day", type=Day(), help="The day (UTC). Default: the newest one that is over and has watches.")
@as_json
def creator(creator_id: str, day: date | None, as_json: bool) -> None:
    """Show whom a creator's videos reached on a day, by what, and which of them are limited, by which rule and why."""
    from jobs.command import reach
    from jobs.engine.query import newest_whole_day
    from jobs.settings import Settings

    settings = Settings()
    reach.report(settings, creator_id, day or newest_whole_day(settings), as_json)
