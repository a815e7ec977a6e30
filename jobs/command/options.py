"""What commands share: how a day is written, options that several have, and examples under a help text.

Belongs here: parameters of more than one command. The commands: groups/.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import click


class Day(click.ParamType[date]):
    """A calendar day, as Python's date."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a day; write it as 2026-01-31", param, ctx)


class DayOrInstant(click.ParamType[date | datetime]):
    """A calendar day, or an instant with its zone."""

    name = "DAY|INSTANT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date | datetime:
        from jobs.engine.window import NotATime, day_or_instant

        try:
            return value if isinstance(value, date) else day_or_instant(value)
        except NotATime as error:
            self.fail(str(error), param, ctx)


def examples(*lines: str) -> str:
    """The examples under a command's help, kept on lines of their own."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
as_of = click.option(
    "--date",
    "on",
    type=DayOrInstant(),
    help="The day (UTC), as of whose end features, ranker and feeds are; or an instant such as 2026-01-18T09:00Z, for "
    "the hour or the day that holds it. Default: the newest day with watches; for what is hourly, the newest hour with "
    "watches that is over.",
)
