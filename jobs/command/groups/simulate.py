"""Commands that make a small world and let it live: `reelmill simulate`.

Belongs here: arguments and help. Who lives in it and what they do: jobs/sim.
"""

from __future__ import annotations

import click

from jobs.command.options import examples


@click.group()
def simulate() -> None:
    """Make a world of viewers, creators and clips, and let its viewers watch what the platform serves them."""


@simulate.command(
    "world",
    epilog=examples(
        "reelmill simulate world",
        "reelmill simulate world --days 28 --logged-days 14 --no-clips",
    ),
)
@click.option("--seed", default=7, show_default=True, help="Another seed makes another world.")
@click.option("--viewers", default=300, show_default=True, type=click.IntRange(1))
@click.option("--creators", default=30, show_default=True, type=click.IntRange(1))
@click.option("--videos", default=240, show_default=True, type=click.IntRange(4), help="Of all days together.")
@click.option("--days", default=14, show_default=True, type=click.IntRange(1), help="So long the world lasts.")
@click.option(
    "--logged-days",
    type=click.IntRange(1),
    help="So many of the days are lived before there are feeds; the others wait for `simulate day`. Default: all.",
)
@click.option("--clips/--no-clips", "has_clips", default=True, show_default=True, help="Draw what can be played.")
def world(
    seed: int, viewers: int, creators: int, videos: int, days: int, logged_days: int | None, has_clips: bool
) -> None:
    """Make a world, and hand over what is uploaded and watched on its first days. Then run the nightly pipeline."""
    from jobs.command import console
    from jobs.settings import Settings
    from jobs.sim.simulate import simulate as make

    if logged_days and logged_days > days:
        raise click.UsageError("--logged-days cannot be more than --days.")
    with console.steps() as tell:
        report = make(
            Settings(),
            seed=seed,
            viewers=viewers,
            creators=creators,
            videos=videos,
            days=days,
            logged_days=logged_days,
            has_clips=has_clips,
            progress=tell,
        )
    console.fields(report)


@simulate.command("day", epilog=examples("reelmill simulate day", "reelmill simulate day && reelmill pipeline nightly"))
def day() -> None:
    """Live one more day on the feeds that are published now: viewers open them, watch, like and skip.

    It is the day after the night of these feeds. Its uploads and events are handed over; the next nightly pipeline
    takes them in. The same feeds give the same events.
    """
    from jobs.command import console
    from jobs.settings import Settings
    from jobs.sim.simulate import live

    with console.steps() as tell:
        lived = live(Settings(), tell)
    console.fields(lived.report)
