"""Commands that bring in data sets: `reelmill import`.

Belongs here: the options of a data set, or of any files. How they become uploads and events: jobs/imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobs.command.options import examples

if TYPE_CHECKING:
    from jobs.imports.layouts import Preset

# The names in jobs/imports/layouts.py, which a test compares: `--help` shall not wait for it.
PRESETS = ("movielens", "kuairand", "kuairec", "vk-lsvd")

hold_out_option = click.option(
    "--hold-out",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of each person's newest rows to keep out of the lake, for judging feeds later.",
)
preset_option = click.option("--preset", type=click.Choice(PRESETS), help="The columns of a public data set.")
map_option = click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="NAME=COLUMN,...",
    help="Which column is what; may be repeated. It goes before a preset's.",
)
zone_option = click.option("--zone", help="Of times that do not say theirs. Default: the preset's, else UTC.")


@click.group(name="import")
def import_() -> None:
    """Bring in a public data set, or any interactions and catalogue, as uploads and events."""


@import_.command(
    epilog=examples(
        "reelmill import movielens ml-latest-small", "reelmill import movielens ml-latest-small --hold-out 0.2"
    )
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@hold_out_option
def movielens(folder: Path, hold_out: float) -> None:
    """Import MovieLens: a rating becomes a watch, a tag a hashtag, a movie a title. Then run the nightly pipeline."""
    from jobs.command import console
    from jobs.imports.movielens import import_movielens
    from jobs.settings import Settings

    with console.steps() as tell:
        report = import_movielens(folder, Settings(), hold_out=hold_out, progress=tell)
    console.fields(report)


@import_.command(
    epilog=examples(
        "reelmill import interactions log.csv.gz --map user_id=uid,video_id=vid,event_at=ts,watch_ms=played_ms",
        "reelmill import interactions data/log_standard_*.csv --preset kuairand --hold-out 0.2",
    )
)
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE...")
@map_option
@preset_option
@zone_option
@hold_out_option
def interactions(
    files: tuple[Path, ...], maps: tuple[str, ...], preset: str | None, zone: str | None, hold_out: float
) -> None:
    """Import what people watched from CSV or Parquet files (.gz too). Then run the nightly pipeline.

    A row is one viewer, one video and one time: user_id, video_id, event_at (a number since 1970, or ISO 8601). What
    was watched is one of watch_ms, watch_s, share_watched (1 is the whole) and stars (of 5); the length of the video
    duration_ms or duration_s. Columns of yes and no: click, like, share, comment, follow, skip, not_interested, report.
    Then event_type, session_id and creator_id. Videos that no imported catalogue has are made from the rows.
    """
    from jobs.command import console
    from jobs.imports.interactions import import_interactions
    from jobs.imports.layouts import INTERACTIONS, parse_map
    from jobs.settings import Settings

    known = _preset(preset)
    columns = _columns(known.interactions if known else {}, parse_map(maps, INTERACTIONS))
    with console.steps() as tell:
        report = import_interactions(
            files,
            columns,
            Settings(),
            zone=zone or (known.zone if known else "UTC"),
            weeks=known.weeks if known and "event_at" not in columns else None,
            hold_out=hold_out,
            progress=tell,
        )
    console.imported(report)


@import_.command(
    epilog=examples(
        "reelmill import catalogue videos.csv --map video_id=id,title=caption,user_id=author,hashtags=tags",
        "reelmill import catalogue items_metadata.parquet --preset vk-lsvd",
    )
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@map_option
@preset_option
@zone_option
def catalogue(file: Path, maps: tuple[str, ...], preset: str | None, zone: str | None) -> None:
    """Import what is said of videos, before what people watched of them: one row a video, from CSV or Parquet.

    The names to map are video_id, title, user_id (its creator), hashtags, sound_id, duration_ms or duration_s, and
    published_at; without the last, a video counts as old.
    """
    from jobs.command import console
    from jobs.imports.catalogue import import_catalogue
    from jobs.imports.layouts import CATALOGUE, parse_map
    from jobs.settings import Settings

    known = _preset(preset)
    columns = _columns(known.catalogue if known else {}, parse_map(maps, CATALOGUE))
    with console.steps() as tell:
        zone = zone or (known.zone if known else "UTC")
        report = import_catalogue(file, columns, Settings(), zone=zone, progress=tell)
    console.imported(report)


def _preset(name: str | None) -> Preset | None:
    from jobs.imports.layouts import PRESETS

    return PRESETS[name] if name else None


def _columns(preset: Mapping[str, str], mapped: Mapping[str, str]) -> dict[str, str]:
    """The preset's columns with the mapped ones in place of theirs, also where they say the same in another unit."""
    from jobs.imports.layouts import LENGTHS, MEASURES

    replaced = {name for rivals in (MEASURES, LENGTHS) if set(rivals) & set(mapped) for name in rivals}
    return {**{name: column for name, column in preset.items() if name not in replaced}, **mapped}
