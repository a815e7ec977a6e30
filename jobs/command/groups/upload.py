"""The command that hands over clips and waits for what becomes of them.

Belongs here: what one states of a clip. Whole data sets: imports.py.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from jobs.command.options import examples


@click.command(
    epilog=examples(
        "reelmill upload clip.mp4 --user ann --title 'My cat' --hashtag cats --hashtag funny",
        "reelmill upload clips/ --user ann",
        "reelmill upload duet.mp4 --user bob --duet-of clip-0000 --land-only",
    )
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE|DIR...")
@click.option("--user", default="me", show_default=True, help="Who uploads.")
@click.option("--title", help="Its title. Default: the file's name.")
@click.option("--hashtag", "hashtags", multiple=True, help="A hashtag, with or without #; may be repeated.")
@click.option("--sound", help="Id of the sound it uses.")
@click.option("--duet-of", help="Id of the video that it is a duet with.")
@click.option("--stitch-of", help="Id of the video that it stitches.")
@click.option("--land-only", is_flag=True, help="Only put the files into the landing area, for a scheduler to pick up.")
def upload(
    paths: tuple[Path, ...],
    user: str,
    title: str | None,
    hashtags: tuple[str, ...],
    sound: str | None,
    duet_of: str | None,
    stitch_of: str | None,
    land_only: bool,
) -> None:
    """Upload clips and publish them; a refused one is kept and gets its reason.

    Exits with 1 when one was not published.
    """
    from jobs.arrivals.landing import land
    from jobs.command import console, progress
    from jobs.media.answers import answers
    from jobs.settings import Settings

    settings = Settings()
    landed = land(
        paths,
        landing=settings.landing,
        user_id=user,
        uploaded_at=datetime.now(UTC),
        title=title,
        hashtags=hashtags,
        sound_id=sound,
        duet_of=duet_of,
        stitch_of=stitch_of,
    )
    console.say(f"{len(landed)} uploads in {settings.landing}")
    if not land_only:
        progress.run_pipeline("ingest", None, settings)
        became = answers(landed, settings)
        console.uploads(became, settings)
        sys.exit(0 if all(answer.status == "published" for answer in became) else 1)
