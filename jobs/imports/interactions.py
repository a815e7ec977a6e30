"""Bring interactions of any kind in: rows of a viewer, a video, a time and what was watched, from CSV or Parquet files.

Belongs here: what a row means in events, and handing events over. Columns and presets: layouts.py. Values: values.py.
What is held out, and the videos that nobody has catalogued: staged.py. Rows that cannot be used: refusals.py.

A row is a `view`, and beside it one event for each reaction that its columns say yes to, all at its time. A file with a
column for clicks is a log of what was shown: each row is an `impression`, and a `view` where the video was clicked or
watched. Without any column for what was watched, a row says that somebody liked what they saw: a view of the whole
(share 1.0).
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any

import orjson

from jobs.arrivals.handover import (
    HELD_OUT_FOLDER,
    Progress,
    hand_over,
    hand_over_parts,
    json_line,
    refuse_another,
    timestamp,
)
from jobs.errors import ReelmillError
from jobs.host import scratch
from jobs.imports import tables_in
from jobs.imports.csv_rows import BadFile
from jobs.imports.layouts import LENGTHS, MEASURES, REACTIONS, Weeks, check_map
from jobs.imports.refusals import Refusals
from jobs.imports.staged import Staged, Staging
from jobs.imports.titles import title_row
from jobs.imports.values import Unusable, identity, instant_ms, is_empty, is_yes, latest_ms, number, text, zone_named
from jobs.settings import Settings
from serving.ids import MAX_ID
from serving.interactions import MAX_SHARE, MAX_WATCH_MS, EventType

KIND = "interactions"
SOURCE = "import"
# Of a video whose creator no file names.
UNKNOWN_CREATOR = "unknown"
EVENTS_PER_FILE = 200_000
HELD_OUT = HELD_OUT_FOLDER / f"{KIND}.parquet"
STARS = 5
WEEK_MS = timedelta(weeks=1) // timedelta(milliseconds=1)
# Longer than any film; what is more was written in another unit.
MAX_DURATION_MS = MAX_WATCH_MS
IN_NAME = re.compile(r"week_?(\d{1,3})")


class BadHoldOut(ReelmillError):
    """The share to hold out is not one from 0 up to 1."""


@dataclass(frozen=True)
class ImportReport:
    """What an import handed over. Rows read = rows handed over + held out + refused; `videos` are those it made."""

    rows: int
    viewers: int
    videos: int
    events: int
    held_out: int
    refused: int
    reasons: tuple[str, ...]
    seconds: float
    event_files: tuple[Path, ...]
    held_out_file: Path | None


@dataclass(frozen=True)
class Layout:
    """What makes the same files other events: the columns, the zone of times without one, weeks, and the hold-out."""

    columns: Mapping[str, str]
    zone: str
    weeks: Weeks | None
    hold_out: float

    def digest(self, digits: int, *more: str) -> str:
        made_of = [sorted(self.columns.items()), self.zone, self.weeks, self.hold_out, *more]
        return hashlib.sha256(orjson.dumps(made_of, default=str)).hexdigest()[:digits]


def import_interactions(
    paths: Sequence[Path],
    columns: Mapping[str, str],
    settings: Settings,
    *,
    zone: str = "UTC",
    weeks: Weeks | None = None,
    hold_out: float = 0.0,
    progress: Progress | None = None,
) -> ImportReport:
    """Read the files and hand over their events, the videos that no imported catalogue has, and the refused rows.

    `columns` says which of the files' columns is which of layouts.INTERACTIONS. With `hold_out` (0 <= hold_out < 1) the
    newest part of each viewer's rows goes to HELD_OUT instead. All files are read before anything is handed over. The
    same import again changes nothing; the same layout with other files adds to what is there.

    Raises BadMap, BadHoldOut, BadFile when no row can be used, OtherDataHere when rows of another layout are here.
    """
    started = time.perf_counter()
    if not 0 <= hold_out < 1:
        raise BadHoldOut(f"--hold-out {hold_out}: give a share from 0 up to, but not including, 1, such as 0.2.")
    required = ("user_id", "video_id") if weeks else ("user_id", "video_id", "event_at")
    check_map(columns, required, paths)
    tell = progress or (lambda what, done, total: None)
    layout = Layout(columns, zone, weeks, hold_out)
    same_layout = f"{KIND}-{layout.digest(6)}"
    name = f"{same_layout}{layout.digest(12, *(content_of(path) for path in paths))}"
    # Files that follow may come in later; not into a hold-out, since they would bring in what it kept out.
    refuse_another(settings, KIND, name if hold_out else same_layout)

    place = scratch.folder(settings)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        refused_rows = Path(folder) / "refused.jsonl"
        staging = Staging(Path(folder))
        with refused_rows.open("wb") as kept:
            refusals = Refusals(kept)
            for index, path in enumerate(paths):
                _read(path, index, layout, staging, refusals, tell)
        staging.close()
        if not staging.count:
            why = "; ".join(refusals.told()[:3]) or "it holds no rows"
            raise BadFile(paths[0], f"no row can be used: {why}")
        with Staged(staging.path, hold_out) as staged:
            # First, so that the lake never holds an import that cannot be judged.
            held_out = staged.hold_out_to(settings.home / HELD_OUT) if hold_out else 0
            made = map(json_line, _uploads(staged, settings.landing / "manifests"))
            manifest = hand_over(settings.landing / "manifests" / f"{name}.jsonl", made)
            files, events = _hand_over_events(staged, settings.spool, name, staging.count - held_out, tell)
            with refused_rows.open("rb") as lines:
                files += hand_over_parts(
                    lambda part: settings.spool / f"{name}-refused-{part:05d}.jsonl", lines, EVENTS_PER_FILE
                )
            return ImportReport(
                rows=staging.count + refusals.total,
                viewers=staged.viewers(),
                videos=_count_lines(manifest),
                events=events,
                held_out=held_out,
                refused=refusals.total,
                reasons=refusals.told(),
                seconds=round(time.perf_counter() - started, 3),
                event_files=tuple(files),
                held_out_file=settings.home / HELD_OUT if hold_out else None,
            )


def events(row: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    """A staged row as rows of bronze.events.

    The id says what the event is and not in which file it stood, so that what two files repeat counts once.
    """
    at = timestamp(row["at_ms"])
    for kind in row["kinds"].split(","):
        is_view = kind == EventType.VIEW
        event_id = f"{kind}-{row['at_ms']}-{row['video_id']}"
        if len(event_id) > MAX_ID:
            event_id = f"{kind}-{row['at_ms']}-{hashlib.sha256(row['video_id'].encode()).hexdigest()}"
        yield {
            "event_id": event_id,
            "user_id": row["user_id"],
            "video_id": row["video_id"],
            "event_type": kind,
            "event_at": at,
            "session_id": row["session_id"],
            "position": None,
            "feed_version": None,
            "watch_ms": row["watch_ms"] if is_view else None,
            "share_watched": row["share_watched"] if is_view else None,
            "received_at": at,
        }


class RowParser:
    """Turns the values of a file's row, in the order of `names`, into a staged row; raises Unusable."""

    def __init__(self, names: Sequence[str], columns: Mapping[str, str], zone: tzinfo, latest: int) -> None:
        self._place = {name: index for index, name in enumerate(names)}
        self._label = {name: name if name == columns[name] else f"{name} ({columns[name]})" for name in names}
        self._measure = next((name for name in MEASURES if name in self._place), None)
        self._length = next((name for name in LENGTHS if name in self._place), None)
        self._reactions = [name for name in REACTIONS if name in self._place]
        self._zone, self._latest = zone, latest

    def staged(self, values: Sequence[Any], at: int | None) -> Sequence[Any]:
        """The row in the order of staged.COLUMNS; `at` is given where the files hold no times."""
        place, label = self._place, self._label
        user_id = identity(label["user_id"], values[place["user_id"]])
        video_id = identity(label["video_id"], values[place["video_id"]])
        if at is None:
            at = instant_ms(label["event_at"], values[place["event_at"]], self._zone, self._latest)
        watch_ms, share = self._watched(values)
        duration = self._duration(values)
        kinds = self._kinds(values, watch_ms, share)
        if EventType.VIEW in kinds and watch_ms is None and share is None:
            raise Unusable(f"{label[self._measure]} is empty" if self._measure else "nothing says what was watched")
        session = self._optional_id("session_id", values)
        creator = self._optional_id("creator_id", values)
        return user_id, video_id, at, ",".join(kinds), watch_ms, share, duration, session, creator

    def _watched(self, values: Sequence[Any]) -> tuple[int | None, float | None]:
        """What was watched in ms, or as a share."""
        if self._measure is None:
            return None, 1.0
        value, label = values[self._place[self._measure]], self._label[self._measure]
        if is_empty(value):
            return None, None
        match self._measure:
            case "watch_ms":
                return round(number(label, value, MAX_WATCH_MS)), None
            case "watch_s":
                return round(number(label, value, MAX_WATCH_MS / 1000) * 1000), None
            case "stars":
                return None, round(number(label, value, STARS) / STARS, 6)
        return None, round(number(label, value, MAX_SHARE), 6)

    def _duration(self, values: Sequence[Any]) -> int | None:
        """The video's length in ms; None where none is given, or zero, which stands for unknown."""
        if self._length is None or is_empty(value := values[self._place[self._length]]):
            return None
        scale = 1 if self._length == "duration_ms" else 1000
        return round(number(self._label[self._length], value, MAX_DURATION_MS / scale) * scale) or None

    def _kinds(self, values: Sequence[Any], watch_ms: int | None, share: float | None) -> list[EventType]:
        """The types of the row's events."""
        if "event_type" in self._place:
            try:
                return [EventType(text("event_type", values[self._place["event_type"]]).lower())]
            except ValueError:
                raise Unusable(f"{self._label['event_type']} is not one of {', '.join(EventType)}") from None
        seen = [EventType.VIEW]
        if "click" in self._place:
            is_clicked = is_yes(self._label["click"], values[self._place["click"]])
            # All of a log's rows: examples that are only what nobody clicked would teach that nothing is worth a click.
            seen = [EventType.IMPRESSION, *(seen if is_clicked or watch_ms or share else [])]
        yes = [EventType(name) for name in self._reactions if is_yes(self._label[name], values[self._place[name]])]
        return [*seen, *yes]

    def _optional_id(self, name: str, values: Sequence[Any]) -> str | None:
        if name not in self._place or is_empty(value := values[self._place[name]]):
            return None
        return identity(self._label[name], value)


def _read(path: Path, index: int, layout: Layout, staging: Staging, refusals: Refusals, tell: Progress) -> None:
    """Stage the usable rows of a file, and keep the others."""
    names = list(layout.columns)
    parser = RowParser(names, layout.columns, zone_named(layout.zone), latest_ms())
    start, step = 0, 0.0
    if layout.weeks:
        start = _week_ms(path, index, layout.weeks)
        step = WEEK_MS / max(tables_in.count_rows(path), 1)
    for nth, row in enumerate(tables_in.rows(path, [layout.columns[name] for name in names], tell)):
        reason = row.problem
        if reason is None:
            try:
                staging.add(parser.staged(row.values, start + int(nth * step) if layout.weeks else None))
                continue
            except Unusable as unusable:
                reason = str(unusable)
        refusals.add(path, row.line, row.text(), reason)


def _week_ms(path: Path, index: int, weeks: Weeks) -> int:
    """When a file's week begins, in ms since 1970: by the number in its name, or else by its place."""
    found = IN_NAME.search(path.name)
    return int(weeks.start.timestamp() * 1000) + (int(found[1]) if found else index) * WEEK_MS


def _hand_over_events(staged: Staged, folder: Path, name: str, rows: int, tell: Progress) -> tuple[list[Path], int]:
    """The files of events, and how many events are in them."""
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for done, row in enumerate(staged.rows(), start=1):
            for event in events(row):
                count += 1
                yield json_line(event)
            if done % tables_in.REPORT_EVERY == 0:
                tell("writing events", done, rows)

    files = hand_over_parts(lambda part: folder / f"{name}-{part:05d}.jsonl", lines(), EVENTS_PER_FILE)
    tell("writing events", rows, rows)
    return files, count


def _uploads(staged: Staged, manifests: Path) -> Iterator[dict[str, object]]:
    """The videos that no catalogue has, as rows of bronze.uploads: without title, there since the first row of each."""
    for video in staged.videos(manifests):
        yield title_row(
            video["video_id"],
            user_id=video["creator_id"] or UNKNOWN_CREATOR,
            source=SOURCE,
            uploaded_at=timestamp(video["first_at_ms"]),
            duration_ms=video["duration_ms"],
        )


def content_of(path: Path) -> str:
    """The SHA-256 of a file. Raises BadFile."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadFile(path, f"cannot be read ({error.strerror})") from None


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)
