"""What viewers did as events that clients send, in files, with the faults that real input has.

Belongs here: the rows of events, late, repeated and broken ones, and one file for each day of arrival. What happened:
behaviour.py and follow.py. Reading what is written here: events.ingest.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from jobs.arrivals.handover import Progress, hand_over, json_line, timestamp
from jobs.sim.behaviour import SLOTS, Sessions
from jobs.sim.world import DAY_MS, Ints, video_id, viewer_id
from serving.interactions import EventType

DELIVERY_MS = 400  # from a phone to the endpoint
SENT_TWICE = 0.004  # share of events
SENT_LATE = 0.004  # share of events, by up to a day
UNKNOWN_VIDEO = 0.0003  # share of events, of videos that nobody uploaded
MALFORMED_PER_DAY = 2

Event = dict[str, object]


@dataclass(frozen=True)
class Events:
    """Files of events that were handed over, with all their lines, and how many of these are broken."""

    files: tuple[Path, ...]
    lines: int
    malformed: int


def hand_over_events(rng: np.random.Generator, events: list[Event], stem: Path, end: date, tell: Progress) -> Events:
    """Files of what clients send, one for each day on which it arrives; a few lines of each before `end` are broken."""
    delivered = by_day(deliver(rng, events), "received_at")
    total, malformed, lines, written, files = sum(map(len, delivered.values())), 0, 0, 0, []
    for day, rows in sorted(delivered.items()):
        clean = [
            json_line(row) for row in sorted(rows, key=lambda row: (str(row["received_at"]), str(row["event_id"])))
        ]
        broken = break_lines(rng, clean) if day < str(end) else []
        malformed += len(broken)
        lines += len(clean) + len(broken)
        files.append(hand_over(stem.with_name(f"{stem.name}-{day}.jsonl"), clean + broken))
        written += len(rows)
        tell("writing events", written, total)
    return Events(tuple(files), lines, malformed)


def logged_events(group: Sessions) -> Iterator[Event]:
    """The events of some sessions of before there were feeds."""
    position = np.broadcast_to(np.arange(SLOTS), group.video.shape)
    return session_events(group, position, [f"logged-{group.day:02d}"] * len(group.viewer))


def session_events(group: Sessions, position: Ints, feed_version: Sequence[str]) -> Iterator[Event]:
    """The events of some sessions as clients send them; received_at follows in `deliver`.

    `position` (N, SLOTS) is that of each slot in its feed, `feed_version` that of each session. Every slot is an
    impression; one that was looked at is a view too; what the viewer pressed follows the view.
    """
    for row, viewer in enumerate(group.viewer.tolist()):
        session = f"s-{group.name}-{viewer:04d}"
        for slot, video in enumerate(group.video[row].tolist()):
            shown = int(group.shown_ms[row, slot])
            base: Event = {
                "user_id": viewer_id(viewer),
                "video_id": video_id(video),
                "session_id": session,
                "position": int(position[row, slot]),
                "feed_version": feed_version[row],
            }

            def event(kind: EventType, at: int, base: Event = base, **more: object) -> Event:
                name = f"{base['session_id']}-{base['position']}-{kind}"
                return {"event_id": name, **base, "event_type": kind, "event_at": timestamp(at), **more}

            yield event(EventType.IMPRESSION, shown)
            if not group.looked_at[row, slot]:
                continue
            watched, share = int(group.watch_ms[row, slot]), float(group.share_watched[row, slot])
            yield event(EventType.VIEW, shown + 100, watch_ms=watched, share_watched=share)
            for delay, (action, flags) in enumerate(group.actions.items()):
                if flags[row, slot]:
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


def by_day(rows: Iterator[dict[str, object]], column: str) -> dict[str, list[dict[str, object]]]:
    days: dict[str, list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        days[str(row[column])[:10]].append(row)
    return days


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)
