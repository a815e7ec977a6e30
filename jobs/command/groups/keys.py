"""Commands about API keys: `reelmill keys`.

Belongs here: making, listing and revoking them. What they are: serving/feed_store/api_keys.py. When they are demanded:
jobs/command/endpoint.py.
"""

from __future__ import annotations

import click

from jobs.command.options import as_json, examples

# Ten a second: an app of a person needs one page in minutes, and a server asks for many.
PER_MINUTE = 600
SCOPES = ("read", "events", "upload")


@click.group()
def keys() -> None:
    """Decide who may call the endpoint, for what, and how often."""


@keys.command(
    "create",
    epilog=examples("reelmill keys create app", "reelmill keys create importer --scope events --per-minute 6000"),
)
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    default=SCOPES,
    show_default=True,
    help="What it is good for; may be repeated.",
)
@click.option("--per-minute", default=PER_MINUTE, show_default=True, type=click.IntRange(1), help="Requests a minute.")
def keys_create(name: str, scopes: tuple[str, ...], per_minute: int) -> None:
    """Make a key and print it, for this once: its hash alone is kept."""
    from jobs.command import calling, console
    from jobs.settings import Settings

    shown = calling.create(Settings(), name, scopes, per_minute)
    console.say("Send it as `Authorization: Bearer ...`. It is shown this once:")
    click.echo(shown)


@keys.command("list", epilog=examples("reelmill keys list", "reelmill keys list --json"))
@as_json
def keys_list(as_json: bool) -> None:
    """Show the keys that are good, without their secrets."""
    from jobs.command import calling
    from jobs.settings import Settings

    calling.show(Settings(), as_json)


@keys.command("revoke", epilog=examples("reelmill keys revoke 0123456789ab"))
@click.argument("key_id", metavar="ID")
def keys_revoke(key_id: str) -> None:
    """Take a key away; endpoints know within a second."""
    from jobs.command import calling, console
    from jobs.settings import Settings

    calling.revoke(Settings(), key_id)
    console.say(f"{key_id} is good for nothing any more")
