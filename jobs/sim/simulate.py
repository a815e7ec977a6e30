"""Run the simulated world and hand it over: clips and manifests to the landing area, events to the spool.

Belongs here: rows as clients would send them, one file per day, and the faults that real input has. The world itself:
world.py, behaviour.py, clips.py. Reading what is written here: media.ingest, events.ingest.
"""

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from jobs.arrivals.handover import Progress, hand_over, json_line, refuse_another, timestamp
from jobs.settings import Settings
from jobs.sim import behaviour
from jobs.sim.clips import clip_of, draw_all
from jobs.sim.world import DAY_MS, SimulatedWorld, creator_id, make_world, video_id, viewer_id
from serving.interactions import EventType

SOURCE = "sim"
DELIVERY_MS = 400  # from a phone to the endpoint
SENT_TWICE = 0.004  # share of events
SENT_LATE = 0.004  # share of events, by up to a day
UNKNOWN_VIDEO = 0.0003  # share of events, of videos that nobody uploaded
MALFORMED_PER_DAY = 2

Event = dict[str, object]


@dataclass(frozen=True)
class SimReport:
    """What was handed over. `events` counts each event once; `lines` also the repeated and the broken ones."""

    viewers: int
    creators: int
    videos: int
    clips_drawn: int
    sessions: int
    impressions: int
    views: int
    events: int
    lines: int
    malformed: int
    first_day: date
    last_day: date
    seconds: float
    manifests: tuple[Path, ...]
    event_files: tuple[Path, ...]


def simulate(
    settings: Settings,
    *,
    seed: int = 7,
    viewers: int = 300,
    creators: int = 30,
    videos: int = 240,
    days: int = 14,
    first_day: date = date(2026, 1, 5),
    progress: Progress | None = None,
) -> SimReport:
    """Make the world of `seed` and hand over all its uploads and `days` days of events, from `first_day` on.

    Doing it again writes the same bytes under the same names. Raises OtherDataHere for a second, different world in
    the same home, since its ids would mean other people.
    """
    started = time.perf_counter()
    tell = progress or (lambda what, done, total: None)
    name = _name(seed, viewers, creators, videos, days, first_day)
    refuse_another(settings, SOURCE, name)
    world = make_world(seed=seed, viewers=viewers, creators=creators, videos=videos, days=days, first_day=first_day)

    drawn = _draw_clips(world, settings.landing / "files", tell)
    manifests = tuple(
        hand_over(settings.landing / "manifests" / f"{name}-{day}.jsonl", map(json_line, rows))
        for day, rows in _by_day(uploads(world, settings.landing), "uploaded_at").items()
    )
    groups = []
    for group in behaviour.sessions(world):
        groups.append(group)
        tell("simulating days", group.day + 1, days)
    events = [event for group in groups for event in session_events(group)]
    rng = np.random.default_rng([seed, 2])
    delivered = _by_day(deliver(rng, events), "received_at")
    total = sum(len(rows) for rows in delivered.values())
    event_files, malformed, lines, written = [], 0, 0, 0
    for day, rows in sorted(delivered.items()):
        clean = [
            json_line(row) for row in sorted(rows, key=lambda row: (str(row["received_at"]), str(row["event_id"])))
        ]
        broken = break_lines(rng, clean) if day < str(first_day + timedelta(days=days)) else []
        malformed += len(broken)
        lines += len(clean) + len(broken)
        event_files.append(hand_over(settings.events / f"{name}-{day}.jsonl", clean + broken))
        written += len(rows)
        tell("writing events", written, total)
    return SimReport(
        viewers=viewers,
        creators=creators,
        videos=videos,
        clips_drawn=drawn,
        sessions=sum(len(group.viewer) for group in groups),
        impressions=sum(group.video.size for group in groups),
        views=sum(int(group.looked_at.sum()) for group in groups),
        events=len(events),
        lines=lines,
        malformed=malformed,
        first_day=first_day,
        last_day=first_day + timedelta(days=days - 1),
        seconds=round(time.perf_counter() - started, 3),
        manifests=manifests,
        event_files=tuple(event_files),
    )


def uploads(world: SimulatedWorld, landing: Path) -> Iterator[dict[str, object]]:
    """Every video as a row of bronze.uploads; its file must be in `landing` already."""
    for v in range(world.videos):
        media_file = Path("files") / f"{video_id(v)}.mp4"
        yield {
            "upload_id": video_id(v),
            "user_id": creator_id(int(world.creator[v])),
            "title": world.titles[v],
            "hashtags": list(world.hashtags[v]),
            "sound_id": f"sound-{world.sound[v]:02d}" if world.sound[v] >= 0 else None,
            "duet_of": video_id(int(world.duet_of[v])) if world.duet_of[v] >= 0 else None,
            "stitch_of": None,
            "media_file": str(media_file),
            "source": SOURCE,
            "bytes": (landing / media_file).stat().st_size,
            "duration_ms": None,
            "uploaded_at": timestamp(int(world.published_ms[v])),
        }


def session_events(group: behaviour.Sessions) -> Iterator[Event]:
    """The events of some sessions as clients send them; received_at follows in `deliver`.

    Every slot is an impression; one that was looked at is a view too; what the viewer pressed follows the view.
    """
    day = group.name.partition("-")[0]
    for row, viewer in enumerate(group.viewer.tolist()):
        session = f"s-{group.name}-{viewer:04d}"
        for position, video in enumerate(group.video[row].tolist()):
            shown = int(group.shown_ms[row, position])
            base: Event = {
                "user_id": viewer_id(viewer),
                "video_id": video_id(video),
                "session_id": session,
                "position": position,
                "feed_version": f"logged-{day}",
            }

            def event(kind: EventType, at: int, base: Event = base, **more: object) -> Event:
                name = f"{base['session_id']}-{base['position']}-{kind}"
                return {"event_id": name, **base, "event_type": kind, "event_at": timestamp(at), **more}

            yield event(EventType.IMPRESSION, shown)
            if not group.looked_at[row, position]:
                continue
            watched, share = int(group.watch_ms[row, position]), float(group.share_watched[row, position])
            yield event(EventType.VIEW, shown + 100, watch_ms=watched, share_watched=share)
            for delay, (action, flags) in enumerate(group.actions.items()):
                if flags[row, position]:
                    yield event(action, shown + 150 + watched + 50 * delay)


def deliver(rng: np.random.Generator, events: list[Event]) -> Iterator[Event]:
    """Put the events on the wire: most at once, some late, some twice, and a few about videos that do not exist."""
    count = len(events)
    late = np.where(rng.random(count) < SENT_LATE, rng.integers(DAY_MS // 8, DAY_MS, count), 0)
    twice, astray = rng.random(count) < SENT_TWICE, rng.random(count) < UNKNOWN_VIDEO
    for i, event in enumerate(events):
        sent = _milliseconds(str(event["event_at"])) + DELIVERY_MS + int(late[i])
        if astray[i]:
            event = {**event, "event_id": f"{event['event_id']}-astray", "video_id": "clip-gone"}
        yield {**event, "received_at": timestamp(sent)}
        if twice[i]:
            yield {**event, "received_at": timestamp(sent + 30_000)}


def break_lines(rng: np.random.Generator, lines: list[bytes]) -> list[bytes]:
    """Copies of a few of the lines as broken clients send them: cut off, or with a field missing, wrong or absurd."""
    broken = []
    for line in rng.choice(np.array(lines, dtype=object), MALFORMED_PER_DAY):
        kinds = (
            line[: len(line) // 2] + b"\n",
            b"<html><body>502 Bad Gateway</body></html>\n",
            line.replace(b'"user_id":"viewer', b'"viewer":"viewer'),
            line.replace(b'"event_type":"', b'"event_type":"swiped_'),
            line.replace(b'"position":', b'"position":-1'),
        )
        spoilt = kinds[int(rng.integers(len(kinds)))]
        broken.append(spoilt.replace(b'"event_id":"', b'"event_id":"broken-'))  # else it could pass for its original
    return broken


def _draw_clips(world: SimulatedWorld, folder: Path, tell: Progress) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    clips = [
        clip_of(
            v,
            topic=int(world.topic[v]),
            creator=int(world.creator[v]),
            sound=int(world.sound[v]),
            duration_ms=int(world.duration_ms[v]),
        )
        for v in range(world.videos)
    ]
    paths = [folder / f"{video_id(v)}.mp4" for v in range(world.videos)]
    return draw_all(zip(clips, paths, strict=True), lambda done: tell("drawing clips", done, world.videos))


def _by_day(rows: Iterator[dict[str, object]], column: str) -> dict[str, list[dict[str, object]]]:
    days: dict[str, list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        days[str(row[column])[:10]].append(row)
    return days


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def _name(*parameters: object) -> str:
    """Another world gets other file names: ingest never reads a name twice."""
    return f"{SOURCE}-{hashlib.sha256(repr(parameters).encode()).hexdigest()[:12]}"
