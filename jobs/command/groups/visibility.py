"""Commands about what may be shown: `reelmill visibility`.

Belongs here: arguments, and what is printed. The rules: jobs/media/visibility.py. What follows from them:
jobs/feeds/visibility.py.
"""

from __future__ import annotations

from datetime import UTC, datetime

import click

from jobs.command.options import examples


@click.group()
def visibility() -> None:
    """See the rules by which videos are limited or dropped, and have the endpoint heed them at once."""


@visibility.command("show", epilog=examples("reelmill visibility show"))
def visibility_show() -> None:
    """Show the rules in their order: the first one that matches a video, and has not expired, decides."""
    from jobs.command import console
    from jobs.media.visibility import rules_of
    from jobs.settings import Settings

    rules, now = rules_of(Settings()).rules, datetime.now(UTC)
    if not rules:
        return console.say(
            "There are no rules: every published video is listed. REELMILL_VISIBILITY names a file of some."
        )
    rows = []
    for rule in rules:
        of = [f"{kind} {', '.join(ids)}" for kind, ids in rule.about.items() if ids]
        until = "" if rule.until is None else f"{rule.until:%Y-%m-%d %H:%M %Z}"
        state = rule.action.value if rule.holds(now) else f"{rule.action.value} (expired)"
        rows.append((rule.name, state, "; ".join(of), until, rule.why))
    console.table(("rule", "action", "of", "until", "why"), rows)


@visibility.command("apply", epilog=examples("reelmill visibility apply"))
def visibility_apply() -> None:
    """Take what is limited or dropped by now out of what is served, from the next read on.

    A night leaves it out by itself. What is listed again comes back with the next night.
    """
    from jobs.command import console
    from jobs.engine.lake import Lake
    from jobs.engine.spark import session
    from jobs.feeds.visibility import apply
    from jobs.settings import Settings

    settings = Settings()
    with console.status("starting Spark"):
        lake = Lake(session(settings), settings)
    with console.status("taking out what may not be listed"):
        many = apply(lake, datetime.now(UTC))
    console.say(f"{many:,} published videos are limited or dropped, and in no list of the endpoint any more")
