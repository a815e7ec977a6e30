"""The command that asks what rises: `reelmill trending`.

Belongs here: arguments and help. What is listed, and why: jobs/features/trending.py.
"""

from __future__ import annotations

import click

from jobs.command.options import as_json, examples
from serving.feed_store.shapes import TrendingKind


@click.command(
    epilog=examples(
        "reelmill trending",
        "reelmill trending hashtags --k 5",
        "reelmill trending videos --json",
    )
)
@click.argument("kind", type=click.Choice([kind.value for kind in TrendingKind]), default=TrendingKind.VIDEOS.value)
@click.option("--k", type=click.IntRange(1, 100), default=10, show_default=True, help="So many of the list.")
@as_json
def trending(kind: str, k: int, as_json: bool) -> None:
    """Show what rises, videos or hashtags, and why, as of the newest hour in which anything did."""
    from jobs.command import rising
    from jobs.settings import Settings

    rising.rising(Settings(), TrendingKind(kind), k, as_json)
