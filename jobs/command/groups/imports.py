"""Commands that bring in data sets: `reelmill import`.

Belongs here: a data set's own options. How it becomes uploads and events: jobs/imports.
"""

from __future__ import annotations

from pathlib import Path

import click

from jobs.command.options import examples


@click.group(name="import")
def import_() -> None:
    """Bring in a public data set as catalogue and events."""


@import_.command(
    epilog=examples(
        "reelmill import movielens ml-latest-small", "reelmill import movielens ml-latest-small --hold-out 0.2"
    )
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--hold-out",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of each person's newest ratings to keep out of the lake, for judging feeds later.",
)
def movielens(folder: Path, hold_out: float) -> None:
    """Import MovieLens: a rating becomes a watch, a tag a hashtag, a movie a title. Then run the nightly pipeline."""
    from jobs.command import console
    from jobs.imports.movielens import import_movielens
    from jobs.settings import Settings

    with console.steps() as tell:
        report = import_movielens(folder, Settings(), hold_out=hold_out, progress=tell)
    console.fields(report)
