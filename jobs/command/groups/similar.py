"""The command that asks what is like a video: `reelmill similar`.

Belongs here: arguments and help. The lists and vectors: jobs/ranking/similar.py and vectors.py.
"""

from __future__ import annotations

import click

from jobs.command.options import as_json, examples


@click.command(
    epilog=examples(
        "reelmill similar v-0001",
        "reelmill similar v-0001 --source factors --k 20",
        "reelmill similar v-0001 --json",
    )
)
@click.argument("video")
@click.option("--source", help="Only what this source says: one that keeps lists, or one that has vectors (factors).")
@click.option("--k", type=click.IntRange(1, 50), default=10, show_default=True, help="So many videos of each source.")
@as_json
def similar(video: str, source: str | None, k: int, as_json: bool) -> None:
    """Show the videos that are most similar to one, by each source, as of the newest night."""
    from jobs.command import related
    from jobs.settings import Settings

    related.similar(Settings(), video, source, k, as_json)
