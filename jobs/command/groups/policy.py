"""Commands about the policy of the feeds: `reelmill policy`.

Belongs here: arguments, and what is printed. What a policy is: jobs/ranking/policy.py. What another one would change:
jobs/feeds/policies.py.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from jobs.command.options import Day, examples

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def policy() -> None:
    """See by which numbers candidates become feeds, and what other numbers would change."""


@policy.command("show", epilog=examples("reelmill policy show", "reelmill policy show mine.yml"))
@click.argument("file", required=False, type=FILE)
def policy_show(file: Path | None) -> None:
    """Show every number of a policy with its reason, by default of the one that makes the feeds."""
    from jobs.command import console
    from jobs.ranking.policy import policy_of, read
    from jobs.settings import Settings

    shown = read(file) if file else policy_of(Settings())
    console.say(f"policy {shown.version}")
    rows = [(stage, name, str(number.value), number.why) for stage, name, number in shown.every()]
    console.table(("stage", "number", "value", "why"), rows)


@policy.command("diff", epilog=examples("reelmill policy diff mine.yml", "reelmill policy diff mine.yml other.yml"))
@click.argument("one", type=FILE)
@click.argument("other", required=False, type=FILE)
@click.option("--night", type=Day(), help="Whose candidates are put in order. Default: the newest that has feeds.")
def policy_diff(one: Path, other: Path | None, night: date | None) -> None:
    """Show which numbers two policies do not share, and of how many viewers the feeds of a night would differ.

    With one file, it is set against the policy that makes the feeds.
    """
    from jobs.command import console, rankings
    from jobs.engine.lake import Lake
    from jobs.engine.spark import session
    from jobs.feeds.policies import TOP, difference
    from jobs.ranking.policy import policy_of, read
    from jobs.settings import Settings

    settings = Settings()
    mine, theirs = read(one), read(other) if other else policy_of(settings)
    values = {(stage, name): str(number.value) for stage, name, number in theirs.every()}
    rows = [
        (stage, name, str(number.value), values[stage, name])
        for stage, name, number in mine.every()
        if str(number.value) != values[stage, name]
    ]
    if not rows:
        return console.say(f"both have the same numbers: policy {mine.version}")
    console.table(("stage", "number", mine.version, theirs.version), rows)
    night = night or rankings.newest_night(settings)
    with console.status("starting Spark"):
        lake = Lake(session(settings), settings)
    with console.status(f"making the feeds of {night} by both"):
        found = difference(lake, night, mine, theirs)
    console.say(
        f"of {found.viewers:,} viewers of {night}, the first {TOP} slots differ for {found.top:,}, and any slot for "
        f"{found.feed:,}"
    )
