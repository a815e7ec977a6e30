"""Commands about arms, by which policies and systems are compared on viewers: `reelmill arms`.

Belongs here: arguments and help. What arms are: jobs/feeds/arms.py. What followed on them: jobs/feeds/compare.py. What
is printed: jobs/command/comparing.py.
"""

from __future__ import annotations

from pathlib import Path

import click

from jobs.command.options import as_json, examples


@click.group()
def arms() -> None:
    """Compare policies or systems on shares of the viewers: see who is in which arm, and what followed."""


@arms.command("list", epilog=examples("reelmill arms list", "reelmill arms list --json"))
@as_json
def arms_list(as_json: bool) -> None:
    """List the arms that make feeds at present, and every comparison there was, with its days."""
    from jobs.command import comparing
    from jobs.settings import Settings

    comparing.listed(Settings(), as_json)


@arms.command("show", epilog=examples("reelmill arms show", "reelmill arms show creators-2026-12 --page arms.html"))
@click.argument("comparison", required=False)
@click.option("--page", "to", type=click.Path(dir_okay=False, path_type=Path), help="A page with pictures.")
@as_json
def arms_show(comparison: str | None, to: Path | None, as_json: bool) -> None:
    """Show what each arm came to over all days, by default of the newest comparison, beside the control.

    Each day by itself is in gold.arm_daily. Of 20 differences whose arms are alike, one has an interval clear of zero:
    decide beforehand by which metric, and after how many days, you will choose.
    """
    from jobs.command import comparing, console
    from jobs.engine.lake import Lake
    from jobs.engine.spark import session
    from jobs.feeds.compare import together
    from jobs.settings import Settings

    settings = Settings()
    one = comparing.found(settings, comparison)
    with console.status("starting Spark"):
        lake = Lake(session(settings), settings)
    with console.status(f"adding up {one.name} from {one.first} to {one.last}"):
        rows = together(lake, one.name, one.first, one.last)
    comparing.shown(one, rows, settings, to, as_json)
