"""The command that forgets a person: `reelmill forget`.

Belongs here: arguments, help, and the question before it is done. What is removed: jobs/ops.
"""

from __future__ import annotations

import click

from jobs.command.options import as_json, examples


@click.command(epilog=examples("reelmill forget viewer-0000", "reelmill forget ann --at-once --yes"))
@click.argument("user")
@click.option(
    "--at-once",
    is_flag=True,
    help="Remove older versions of the tables too, with all that names the person; nobody can ask them as they were "
    "any more, and daily features are computed anew from the first day.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def forget(user: str, at_once: bool, yes: bool, as_json: bool) -> None:
    """Remove a person, as a viewer and as a creator with their videos, from everything that this home keeps.

    Rows of tables are gone from what is read now, and can be read for at least seven more days in older versions: run
    `reelmill upkeep` after that, or do it --at-once. What others wrote stays: the title that a reason in their feed
    quotes until it expires, and which video theirs is a duet of. Jobs may run meanwhile; each step waits for its own.
    What is cut short goes on when it is run again.
    """
    from jobs.command import console
    from jobs.host.scratch import stay_home
    from jobs.ops import traces
    from jobs.ops.forget import forget, look
    from jobs.pipeline import JOBS
    from jobs.settings import Settings
    from serving.ids import is_id, why_not

    if not is_id(user):
        raise click.ClickException(f"Nobody was forgotten: {why_not(user)}.")
    settings = Settings()
    # What killed processes have left there goes first.
    stay_home(settings)
    with console.status(f"looking for {user}"):
        theirs, found = look(user, JOBS.values(), settings)
    if not (found or traces.is_noted(user, settings) or at_once):
        raise click.ClickException(
            f"Nothing here names {user}: no row of a table, no event that waits, no upload. Nothing was removed. "
            "If they were removed before, --at-once removes older versions of the tables."
        )
    if not yes:
        for one in found:
            click.echo(f"{one.count:>12,} in {one.place}", err=True)
        count = len(theirs.videos)
        videos = f" with {count:,} video{'' if count == 1 else 's'}" if count else ""
        past = ", and all older versions of the tables" if at_once else ""
        click.confirm(f"Remove {user}{videos}{past}?", abort=True, err=True)
    report = forget(user, JOBS.values(), settings, at_once=at_once, showing=console.status)
    console.forgotten(report, as_json)
