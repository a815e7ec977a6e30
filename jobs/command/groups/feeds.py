"""Commands by which a person sees and decides what is served: `reelmill feeds`.

Belongs here: which feeds there are, those of a night brought back, and what feeds show. The nightly publish:
jobs/feeds/publish.py.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from jobs.command.options import Day, as_json, examples

night = click.option("--night", type=Day(), required=True, help="The day as of whose end the feeds are.")


@click.group()
def feeds() -> None:
    """See what is served, or serve the feeds of another night than the newest, because somebody decided so."""


@feeds.command("list", epilog=examples("reelmill feeds list", "reelmill feeds list --json"))
@as_json
def feeds_list(as_json: bool) -> None:
    """List the versions of feeds that can be served at once, and what they take in Redis."""
    from jobs.command import served
    from jobs.settings import Settings

    served.versions(Settings(), as_json)


@feeds.command("show", epilog=examples("reelmill feeds show viewer-0000", "reelmill feeds show viewer-0000 --json"))
@click.argument("user")
@as_json
def feeds_show(user: str, as_json: bool) -> None:
    """Show a viewer's feed as the endpoint gives it out now: without what they were shown or refused."""
    from jobs.command import served
    from jobs.settings import Settings

    served.feed(user, Settings(), as_json)


@feeds.command("rebuild", epilog=examples("reelmill feeds rebuild --night 2026-01-17"))
@night
def feeds_rebuild(night: date) -> None:
    """Publish a night's feeds from the tables, also when a newer night is current; the next night replaces them."""
    from dataclasses import replace

    from jobs.command import console
    from jobs.engine.runner import run_job
    from jobs.engine.spark import session
    from jobs.engine.window import Window
    from jobs.feeds.publish import publish_again
    from jobs.pipeline import find
    from jobs.settings import Settings

    settings = Settings()
    with console.status("starting Spark"):
        spark = session(settings)
    job = replace(find("feeds.publish"), function=publish_again)
    console.run(run_job(job, Window.of_day(night), spark, settings))


@feeds.command("rollback", epilog=examples("reelmill feeds rollback --night 2026-01-17"))
@night
def feeds_rollback(night: date) -> None:
    """Serve at once the feeds of a night that were replaced less than two days ago, as they were."""
    from jobs.command import console
    from jobs.feeds.publish import rollback
    from jobs.settings import Settings

    console.say(f"served now: {rollback(Settings(), night)}")


@feeds.command(
    "audit",
    epilog=examples("reelmill feeds audit", "reelmill feeds audit --night 2026-01-17 --page audit.html"),
)
@click.option("--night", type=Day(), help="The day as of whose end the feeds are; the newest by default.")
@click.option("--page", "to", type=click.Path(dir_okay=False, path_type=Path), help="A page with pictures.")
@as_json
def feeds_audit(night: date | None, to: Path | None, as_json: bool) -> None:
    """Show what the feeds of a night show: how much of what is published, of whom, and how unequally.

    Beside each figure stands what popularity alone would have shown the same viewers, and whether feeds are worse.
    """
    from jobs.command import auditing
    from jobs.settings import Settings

    auditing.audit(Settings(), night, to, as_json)
