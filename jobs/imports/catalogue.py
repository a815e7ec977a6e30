"""Bring a catalogue in: one row a video, with its title, creator, hashtags, length and time, from CSV or Parquet.

Belongs here: what a row means as an upload without media. Columns and presets: layouts.py. Values: values.py. Rows that
cannot be used: refusals.py. What people watched of it: interactions.py, which makes the videos that no catalogue has.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any

import orjson

from jobs.arrivals.handover import Progress, hand_over, hand_over_parts, json_line, timestamp
from jobs.errors import ReelmillError
from jobs.host import scratch
from jobs.imports import interactions, tables_in
from jobs.imports.csv_rows import BadFile
from jobs.imports.interactions import SOURCE, UNKNOWN_CREATOR
from jobs.imports.layouts import LENGTHS, check_map
from jobs.imports.refusals import Refusals
from jobs.imports.staged import catalogued
from jobs.imports.titles import title_row
from jobs.imports.values import (
    EARLIEST_MS,
    Unusable,
    hashtags,
    identity,
    instant_ms,
    is_empty,
    latest_ms,
    number,
    text,
    zone_named,
)
from jobs.settings import Settings
from serving.interactions import MAX_WATCH_MS

KIND = "catalogue"
LINES_PER_FILE = 200_000


class CatalogueTooLate(ReelmillError):
    """Videos of a catalogue are in this home already, made from interactions and without a title."""


@dataclass(frozen=True)
class CatalogueReport:
    """What was handed over. Rows read = uploads + refused; of several rows for one video the earliest counts."""

    rows: int
    uploads: int
    refused: int
    reasons: tuple[str, ...]
    seconds: float
    manifest: Path


def import_catalogue(
    path: Path, columns: Mapping[str, str], settings: Settings, *, zone: str = "UTC", progress: Progress | None = None
) -> CatalogueReport:
    """Read the file and hand over one manifest, and the refused rows. The same import again changes nothing.

    `columns` says which of the file's columns is which of layouts.CATALOGUE. A video without a time has been there
    always. Raises BadMap, BadFile when no row can be used, CatalogueTooLate when a video was made from interactions.
    """
    started = time.perf_counter()
    tell = progress or (lambda what, done, total: None)
    check_map(columns, ("video_id",), [path])
    manifests = settings.landing / "manifests"
    name = f"{KIND}-{_digest(path, columns, zone)}"
    place = scratch.folder(settings)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        refused_rows, good = Path(folder) / "refused.jsonl", Path(folder) / f"{KIND}-good.jsonl"
        with refused_rows.open("wb") as kept, good.open("wb") as usable:
            refusals, count = Refusals(kept), 0
            for row in _uploads(path, columns, zone_named(zone), refusals, tell):
                usable.write(json_line(row))
                count += 1
        if not count:
            raise BadFile(path, f"no row can be used: {'; '.join(refusals.told()[:3]) or 'it holds no rows'}")
        _refuse_late(Path(folder), manifests)
        with good.open("rb") as lines:
            manifest = hand_over(manifests / f"{name}.jsonl", lines)
        with refused_rows.open("rb") as lines:
            hand_over_parts(lambda part: manifests / f"{name}-refused-{part:05d}.jsonl", lines, LINES_PER_FILE)
    seconds = round(time.perf_counter() - started, 3)
    return CatalogueReport(count + refusals.total, count, refusals.total, refusals.told(), seconds, manifest)


def upload(row: Mapping[str, Any], label: Mapping[str, str], zone: tzinfo, latest: int) -> dict[str, object]:
    """One row, by our names, as a row of bronze.uploads; `label` names its columns. Raises Unusable."""
    length = next((name for name in LENGTHS if not is_empty(row.get(name))), None)
    scale = 1 if length == "duration_ms" else 1000
    milliseconds = round(number(label[length], row[length], MAX_WATCH_MS / scale) * scale) if length else 0
    published = row.get("published_at")
    at = (
        EARLIEST_MS
        if is_empty(published)
        else instant_ms(label["published_at"], published, zone, latest, earliest_ms=None)
    )
    title = row.get("title")
    return title_row(
        identity(label["video_id"], row["video_id"]),
        user_id=_optional_id("user_id", row, label) or UNKNOWN_CREATOR,
        source=SOURCE,
        uploaded_at=timestamp(at),
        title=None if is_empty(title) else text("title", title),
        hashtags=hashtags(row.get("hashtags")),
        sound_id=_optional_id("sound_id", row, label),
        duration_ms=milliseconds or None,
    )


def _uploads(
    path: Path, columns: Mapping[str, str], zone: tzinfo, refusals: Refusals, tell: Progress
) -> Iterator[dict[str, object]]:
    names, latest = list(columns), latest_ms()
    label = {name: name if name == columns[name] else f"{name} ({columns[name]})" for name in names}
    for row in tables_in.rows(path, [columns[name] for name in names], tell):
        reason = row.problem
        if reason is None:
            try:
                yield upload(dict(zip(names, row.values, strict=True)), label, zone, latest)
                continue
            except Unusable as unusable:
                reason = str(unusable)
        refusals.add(path, row.line, row.text(), reason)


def _optional_id(name: str, row: Mapping[str, Any], label: Mapping[str, str]) -> str | None:
    value = row.get(name)
    return None if is_empty(value) else identity(label[name], value)


def _refuse_late(folder: Path, manifests: Path) -> None:
    """A video is in the lake as it first came. Raises CatalogueTooLate for one that came without its title."""
    import duckdb

    made, ours = catalogued(manifests, interactions.KIND), catalogued(folder, KIND)
    if made is None or ours is None:
        return
    with duckdb.connect() as db:
        found = db.execute(f"SELECT count(*), min(upload_id) FROM {made} WHERE upload_id IN {ours}").fetchone()
    if found and found[0]:
        raise CatalogueTooLate(
            f"{found[0]:,} videos of this catalogue, such as {found[1]}, are already in {manifests.parent}: they were "
            "made from interactions, and keep what they have. Set REELMILL_HOME to an empty folder, import the "
            "catalogue there, and then the interactions."
        )


def _digest(path: Path, columns: Mapping[str, str], zone: str) -> str:
    made_of: Sequence[Any] = [sorted(columns.items()), zone, interactions.content_of(path)]
    return hashlib.sha256(orjson.dumps(made_of)).hexdigest()[:12]
