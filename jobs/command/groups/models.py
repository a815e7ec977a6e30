"""Commands about what orders the feeds: `reelmill models`, and why a feed is what it is: `reelmill explain`.

Belongs here: arguments and help. What serves: jobs/ranking/serving.py. What is printed: rankings.py.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from jobs.command.options import Day, as_json, examples

from_night = click.option(
    "--from",
    "night",
    type=Day(),
    help="The first night (day) whose feeds it orders. Default: the newest night that has feeds.",
)
reason = click.option("--why", default="no reason was given", show_default=True, help="For whoever reads it later.")


@click.group()
def models() -> None:
    """See what could order the feeds and what does, and decide otherwise."""


@models.command("list", epilog=examples("reelmill models list", "reelmill models list --json"))
@as_json
def models_list(as_json: bool) -> None:
    """List the models that were trained, newest night first, and say what serves since when."""
    from jobs.command import rankings
    from jobs.settings import Settings

    rankings.models(Settings(), as_json)


@models.command(
    "show", epilog=examples("reelmill models show", "reelmill models show --night 2026-01-18 --page night.html")
)
@click.option("--night", type=Day(), help="Default: the newest night that was compared.")
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page with pictures there; it needs no network.",
)
def models_show(night: date | None, page: Path | None) -> None:
    """Show what was compared on a night, as whole lists, with intervals, and why one of them serves."""
    from jobs.command import rankings
    from jobs.settings import Settings

    rankings.verdicts(Settings(), night, page)


@models.command(
    "promote",
    epilog=examples(
        "reelmill models promote item_item_order --why 'the ranker of last night looks odd'",
        "reelmill models promote 20260118-0123456789ab --from 2026-01-18",
    ),
)
@click.argument("system")
@from_night
@reason
def models_promote(system: str, night: date | None, why: str) -> None:
    """Let a model, or a plain order such as item_item_order, order the feeds from a night on.

    The gate goes on from there: on the next night that has a verdict, what is clearly better takes its place. Feeds
    that are there already stay as they are; the command says how to make them again.
    """
    _decide(system, night, why)


@models.command("rollback", epilog=examples("reelmill models rollback --why 'feeds of one creator only'"))
@from_night
@reason
def models_rollback(night: date | None, why: str) -> None:
    """Let what served before the present one order the feeds again."""
    _decide(None, night, why)


@models.command("rebuild", epilog=examples("reelmill models rebuild 20260118-0123456789ab"))
@click.argument("version")
def models_rebuild(version: str) -> None:
    """Train a model again on the rows that it was trained on, and compare the bytes of its file.

    A file that is lost is written again.
    """
    from jobs.command import console
    from jobs.ranking.rebuild import rebuild
    from jobs.settings import Settings

    with console.status(f"training {version} again"):
        found = rebuild(Settings(), version)
    what = "was missing and is there again" if found.was_missing else "came out with the same bytes"
    console.say(f"{found.path} {what}: {found.bytes:,} bytes, from version {found.examples_version} of gold.examples")


@click.command(
    epilog=examples(
        "reelmill explain viewer-0000",
        "reelmill explain viewer-0000 clip-0000",
        "reelmill explain viewer-0000 --night 2026-01-18 --json",
    )
)
@click.argument("user")
@click.argument("video", required=False)
@click.option("--night", type=Day(), help="The day as of whose end the feed is. Default: the newest that has feeds.")
@as_json
def explain(user: str, video: str | None, night: date | None, as_json: bool) -> None:
    """Say why a viewer's feed is what it is: who proposed each video, what its features add, what the policy moved.

    With a video, all that is known of that one, or why it is not in the feed.
    """
    from jobs.command import console, rankings
    from jobs.engine.lake import Lake
    from jobs.engine.spark import session
    from jobs.feeds.explain import explain as explained
    from jobs.feeds.explain import why_not
    from jobs.settings import Settings

    settings = Settings()
    night = night or rankings.newest_night(settings)
    with console.status("starting Spark"):
        lake = Lake(session(settings), settings)
    with console.status(f"looking at the feed of {user}"):
        feed = explained(lake, user, night)
        chosen = [one for one in feed.candidates if one.video_id == video]
        absent = why_not(lake, user, video, night) if video and not chosen else None
    if absent:
        return console.say(f"{video} is not in the feed of {user} of {night}: {absent}")
    rankings.explained(feed, chosen[0] if chosen else None, as_json)


def _decide(system: str | None, night: date | None, why: str) -> None:
    from jobs.command import console, rankings
    from jobs.engine.lake import Lake
    from jobs.engine.spark import session
    from jobs.engine.tables import Tables
    from jobs.ranking import serving
    from jobs.settings import Settings

    settings = Settings()
    system = system or serving.before_now(Tables.of(settings)).system
    night = night or rankings.newest_night(settings)
    with console.status("starting Spark"):
        lake = Lake(session(settings), settings)
    turn = serving.promote(lake, system, night, why)
    console.say(f"{turn.system} orders the feeds from the night of {turn.event_date} on. To make that night's again:")
    console.say(f"  reelmill run feeds.build --date {night} && reelmill feeds rebuild --night {night}")
