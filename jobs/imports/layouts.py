"""Which column of a file means what: `--map` as a person writes it, and the layouts of public data sets.

Belongs here: names on our side, names on theirs, and presets. What a value means and when it is refused: values.py.
How files are read: tables_in.py. A new preset is one entry of PRESETS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from jobs.errors import ReelmillError
from jobs.imports.tables_in import header
from serving.interactions import EventType

# What was watched of a video, in any of four ways.
MEASURES = ("watch_ms", "watch_s", "share_watched", "stars")
LENGTHS = ("duration_ms", "duration_s")
# What a viewer did beside watching, each a column that says yes or no.
REACTIONS = tuple(kind.value for kind in EventType if kind not in (EventType.IMPRESSION, EventType.VIEW))
INTERACTIONS = (
    *("user_id", "video_id", "event_at", *MEASURES, *LENGTHS, "click", *REACTIONS),
    *("event_type", "session_id", "creator_id"),
)
CATALOGUE = ("video_id", "title", "user_id", "hashtags", "sound_id", *LENGTHS, "published_at")


class BadMap(ReelmillError):
    """A mapping names something that is not there, twice, or not enough."""


@dataclass(frozen=True)
class Weeks:
    """For files without times: one file a week, its rows in order and taken to be spread evenly over the week.

    The number of the week is in the file's name (week_07.parquet), or else the file's place among those given.
    """

    start: datetime


@dataclass(frozen=True)
class Preset:
    """The layout of a public data set: our names to its columns."""

    interactions: Mapping[str, str]
    catalogue: Mapping[str, str] = field(default_factory=dict)
    zone: str = "UTC"  # of times that do not say theirs
    weeks: Weeks | None = None


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        # ratings.csv and movies.csv; with tags and years of titles: `reelmill import movielens`.
        "movielens": Preset(
            {"user_id": "userId", "video_id": "movieId", "stars": "rating", "event_at": "timestamp"},
            {"video_id": "movieId", "title": "title", "hashtags": "genres"},
        ),
        # log_standard_*.csv and log_random_*.csv; video_features_basic_*.csv. Its dates are Beijing's.
        "kuairand": Preset(
            {
                "user_id": "user_id",
                "video_id": "video_id",
                "event_at": "time_ms",
                "watch_ms": "play_time_ms",
                "duration_ms": "duration_ms",
                "click": "is_click",
                "like": "is_like",
                "follow": "is_follow",
                "comment": "is_comment",
                "share": "is_forward",
                "not_interested": "is_hate",
            },
            {
                "video_id": "video_id",
                "user_id": "author_id",
                "published_at": "upload_dt",
                "duration_ms": "video_duration",
                "sound_id": "music_id",
                "hashtags": "tag",
            },
            zone="Asia/Shanghai",
        ),
        # big_matrix.csv and small_matrix.csv, whose `timestamp` are seconds; item_daily_features.csv, a row per day.
        "kuairec": Preset(
            {
                "user_id": "user_id",
                "video_id": "video_id",
                "event_at": "timestamp",
                "watch_ms": "play_duration",
                "duration_ms": "video_duration",
            },
            {
                "video_id": "video_id",
                "user_id": "author_id",
                "published_at": "upload_dt",
                "duration_ms": "video_duration",
                "sound_id": "music_id",
                "hashtags": "video_tag_name",
            },
            zone="Asia/Shanghai",
        ),
        # interactions/*/week_NN.parquet and metadata/items_metadata.parquet. Six months in order, without any time; the
        # card does not say which, so that they begin on a Monday of ours. Bookmarks, clicks on the author and opened
        # comments have no event here.
        "vk-lsvd": Preset(
            {
                "user_id": "user_id",
                "video_id": "item_id",
                "watch_s": "timespent",
                "like": "like",
                "not_interested": "dislike",
                "share": "share",
            },
            {"video_id": "item_id", "user_id": "author_id", "duration_s": "duration"},
            weeks=Weeks(datetime(2025, 1, 6, tzinfo=UTC)),
        ),
    }
)


def parse_map(texts: Sequence[str], ours: Sequence[str]) -> dict[str, str]:
    """`user_id=uid,video_id=vid` as our names to theirs; may be given in several pieces. Raises BadMap."""
    found: dict[str, str] = {}
    for pair in (pair for text in texts for pair in text.split(",")):
        name, sign, column = (part.strip() for part in pair.partition("="))
        if not sign or not column:
            raise BadMap(f"--map {pair!r}: write NAME=COLUMN, such as user_id=uid.")
        if name not in ours:
            raise BadMap(f"--map {pair!r}: {name!r} is not one of {', '.join(ours)}.")
        if name in found:
            raise BadMap(f"--map names {name} twice, for {found[name]} and {column}.")
        found[name] = column
    return found


def check_map(mapping: Mapping[str, str], required: Sequence[str], paths: Sequence[Path]) -> None:
    """Raises BadMap when a required name is missing, two measures compete, or a file lacks a column."""
    if missing := [name for name in required if name not in mapping]:
        raise BadMap(f"Say which column is {' and which is '.join(missing)}: --map {missing[0]}=COLUMN, or a --preset.")
    for rivals in (MEASURES, LENGTHS):
        if len(several := [name for name in rivals if name in mapping]) > 1:
            raise BadMap(f"{' and '.join(several)} say the same in different units: map one of them.")
    for path in paths:
        there = header(path)
        if lacking := [column for column in mapping.values() if column not in there]:
            raise BadMap(f"{path} has no column {', '.join(lacking)}; it has {', '.join(there)}.")
