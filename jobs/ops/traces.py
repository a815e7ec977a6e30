"""What leads from a person to what does not name them: their videos, and the files of these.

Belongs here: finding that out before it is removed, and the note of it that outlives a kill. Removing: forget.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.tables import Tables, text_in
from jobs.host.files import appearing
from jobs.media.ingest import TABLE as UPLOADS
from jobs.media.publish import VIDEOS
from jobs.ops.person import Person
from jobs.settings import Settings
from serving.incoming import landing_of


@dataclass(frozen=True)
class Traces:
    """A person, the files of their uploads in the landing area, and the folders of their videos in the media store."""

    user_id: str
    videos: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    media: frozenset[str] = frozenset()

    @property
    def person(self) -> Person:
        return Person(self.user_id, self.videos)


def manifests(settings: Settings) -> list[Path]:
    """The files by which uploads were handed over."""
    return sorted((settings.landing / "manifests").glob("*.jsonl"))


def gather(user_id: str, settings: Settings) -> Traces:
    """What tables, manifests, uploads on their way and the note of an earlier attempt say."""
    theirs = text_in("user_id") == user_id
    uploads: list[Mapping[str, Any]]
    uploads = [*_rows(UPLOADS, ["upload_id", "media_file"], theirs, settings), *_not_taken_in(user_id, settings)]
    # An endpoint that was killed may have moved a clip, and handed no line over.
    uploads += map(asdict, landing_of(settings.landing, user_id))
    videos = list(_rows(VIDEOS, ["video_id", "media_hash"], theirs, settings))
    noted = json.loads(_note(user_id, settings).read_text()) if is_noted(user_id, settings) else {}
    return Traces(
        user_id,
        _texts(noted.get("videos", []), (row["upload_id"] for row in uploads), (row["video_id"] for row in videos)),
        _texts(noted.get("files", []), (row["media_file"] for row in uploads)),
        _texts(noted.get("media", []), (row["media_hash"] for row in videos)),
    )


def handed_over(settings: Settings) -> frozenset[str]:
    """The files that a line of a manifest names; of those whose lines were removed, none does."""
    return _texts(row.get("media_file") for row in _lines(settings))


def is_noted(user_id: str, settings: Settings) -> bool:
    """Whether an attempt to forget the person was cut short."""
    return _note(user_id, settings).exists()


def note(traces: Traces, settings: Settings) -> None:
    """Keep it until `strike`, for an attempt that follows this one."""
    with appearing(_note(traces.user_id, settings)) as file:
        file.write_text(json.dumps({name: sorted(ids) for name, ids in asdict(traces).items() if name != "user_id"}))


def strike(user_id: str, settings: Settings) -> None:
    """Remove the note; the same person may have been forgotten twice at one time."""
    _note(user_id, settings).unlink(missing_ok=True)


def _note(user_id: str, settings: Settings) -> Path:
    return settings.home / "forget" / f"{sha256(user_id.encode()).hexdigest()[:16]}.json"


def _rows(table: str, columns: list[str], wanted: pc.Expression, settings: Settings) -> list[dict[str, Any]]:
    tables = Tables.of(settings)
    if not tables.is_there(table):
        return []
    rows: list[dict[str, Any]] = tables.open(table).to_pyarrow_dataset().to_table(columns, filter=wanted).to_pylist()
    return rows


def _not_taken_in(user_id: str, settings: Settings) -> Iterator[Mapping[str, Any]]:
    """What their lines of the manifests say, which may have become no rows yet.

    Nobody can name another's upload as theirs, and so have it forgotten with them.
    """
    lines = list(_lines(settings))
    theirs = [row for row in lines if str(row.get("user_id")) == user_id]
    named = pa.array(sorted(_texts(row.get("upload_id") for row in theirs)), pa.string())
    of_others = text_in("upload_id").isin(named) & (text_in("user_id") != user_id)
    others = _texts(
        (row["upload_id"] for row in _rows(UPLOADS, ["upload_id"], of_others, settings)),
        (row.get("upload_id") for row in lines if str(row.get("user_id")) != user_id),
    )
    for row in theirs:
        upload = None if str(row.get("upload_id")) in others else row.get("upload_id")
        yield {"upload_id": upload, "media_file": row.get("media_file")}


def _lines(settings: Settings) -> Iterator[Mapping[str, Any]]:
    for path in manifests(settings):
        for line in path.read_bytes().splitlines():
            with suppress(orjson.JSONDecodeError):
                row = orjson.loads(line)
                if isinstance(row, dict):
                    yield row


def _texts(*found: Iterable[object]) -> frozenset[str]:
    return frozenset(str(one) for part in found for one in part if one is not None)
