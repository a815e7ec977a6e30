"""What clients sent and were told, and whether a home holds exactly that: the checker of histories.

Belongs here: a client that keeps its history, and what must be true of any. What goes wrong meanwhile: platform.py.

An event that was accepted is in bronze.events once, or set aside once, whatever happened; one that was sent and never
acknowledged may be there or not, but not twice; nothing else is there. Watches are those that all events make at once.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pyspark.sql import DataFrame

from jobs.engine.query import exists, query
from jobs.settings import Settings
from serving.interactions import EventType

# What an event says, but for when it was received.
SAYS = ("event_id", "user_id", "video_id", "event_type", "event_at", "session_id", "position", "feed_version",
        "watch_ms", "share_watched")  # fmt: skip
VIEWERS, VIDEOS = 6, 8
Content = str


def content(event: Mapping[str, Any]) -> Content:
    """An event as text, the same for what was sent and for what a table holds of it."""
    said = {name: event.get(name) for name in SAYS}
    at = said["event_at"]
    instant = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
    said["event_at"] = (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    return json.dumps(said, sort_keys=True)


@dataclass
class History:
    """What was sent, what of it was accepted, and lines that are no events; what must not have happened is `wrong`."""

    sent: set[Content] = field(default_factory=set)
    accepted: set[Content] = field(default_factory=set)
    torn: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


class Client:
    """Sends batches of events, each three times and in any order, until each is acknowledged."""

    def __init__(self, chance: random.Random) -> None:
        self.history = History()
        self._chance = chance
        self._events: list[dict[str, Any]] = []
        self._waiting: list[list[dict[str, Any]]] = []
        self._number = 0
        # Who sends is another thread than who does harm.
        self._guard = threading.Lock()

    @property
    def is_done(self) -> bool:
        return not self._waiting

    def think(self) -> None:
        """One more batch: new events, some that were sent before, and now and then another one under an id of those."""
        batch = [self._event() for _ in range(self._chance.randint(1, 30))]
        if self._events:
            batch += self._chance.sample(self._events, min(2, len(self._events)))
            if not self._chance.randrange(4):
                batch.append(self._chance.choice(self._events) | {"session_id": f"s{self._number}"})
        self._events += batch
        self.history.sent |= {content(event) for event in batch}
        for _ in range(3):
            self._waiting.append(self._chance.sample(batch, len(batch)))
        self._chance.shuffle(self._waiting)

    def send(self, url: str, patience_s: float = 2.0) -> bool:
        """Send what waits next; whether it was acknowledged. What was not is sent again, some other time."""
        batch = self._waiting.pop()
        try:
            answer = httpx.post(f"{url}/v1/events", json=batch, timeout=patience_s)
        except httpx.HTTPError:
            answer = None
        if answer is None or answer.status_code >= 500:
            self._waiting.insert(self._chance.randint(0, len(self._waiting)), batch)
            return False
        if answer.status_code != 202 or answer.json()["rejected"]:
            self.history.wrong.append(f"a good batch was answered by {answer.status_code}: {answer.text[:300]}")
            return True
        with self._guard:
            self.history.accepted |= {content(batch[one["index"]]) for one in answer.json()["accepted"]}
        return True

    def again(self, count: int) -> list[Content]:
        """At most so many of the accepted events, each a line as it may stand in a file."""
        with self._guard:
            accepted = sorted(self.history.accepted)
        return self._chance.sample(accepted, min(count, len(accepted)))

    def _event(self) -> dict[str, Any]:
        self._number += 1
        at = datetime.now(UTC) - timedelta(seconds=self._chance.randrange(3 * 86_400))
        kind = self._chance.choice([EventType.VIEW] * 4 + [EventType.IMPRESSION] * 2 + [EventType.LIKE, EventType.SKIP])
        event: dict[str, Any] = {
            "event_id": f"e{self._number}",
            "user_id": f"u{self._chance.randrange(VIEWERS)}",
            "video_id": f"v{self._chance.randrange(VIDEOS)}",
            "event_type": str(kind),
            # Tables of what was set aside hold milliseconds.
            "event_at": at.replace(microsecond=at.microsecond // 1000 * 1000).isoformat(),
        }
        if kind == EventType.VIEW:
            event["watch_ms"] = self._chance.randrange(20_000)
        if kind == EventType.IMPRESSION:
            event |= {"position": self._chance.randrange(50), "feed_version": "20260101.m"}
        return event


def kept(settings: Settings) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of bronze.events, and those that were set aside of it."""
    return (
        _rows("SELECT * FROM bronze.events", settings) if exists("bronze.events", settings) else [],
        [json.loads(one["row"]) for one in _rows('SELECT row FROM quarantine."bronze.events"', settings)]
        if exists("quarantine.bronze.events", settings)
        else [],
    )


def violations(history: History, events: Iterable[Mapping[str, Any]], aside: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is not as it must be, a sentence each; empty where all is well."""
    events, aside = list(events), list(aside)
    there = Counter(map(content, events))
    refused = Counter(content(row) for row in aside if row.get("event_id"))
    lines = Counter(row["line"] for row in aside if not row.get("event_id"))
    keys = Counter((row["user_id"], row["event_id"]) for row in events)
    found = list(history.wrong)
    found += [
        f"accepted and there {there[one]} times, set aside {refused[one]} times: {one}"
        for one in sorted(history.accepted)
        if there[one] + refused[one] != 1
    ]
    found += [f"there and never sent: {one}" for one in sorted((there | refused).keys() - history.sent)]
    found += [
        f"never acknowledged and there {there[one] + refused[one]} times: {one}"
        for one in sorted(history.sent - history.accepted)
        if there[one] + refused[one] > 1
    ]
    found += [f"{times} events have the key {key}" for key, times in sorted(keys.items()) if times > 1]
    found += [
        f"a torn line is set aside {lines[line]} times: {line}" for line in sorted(history.torn) if lines[line] != 1
    ]
    found += [f"a line that nobody sent is set aside: {line}" for line in sorted(lines.keys() - history.torn)]
    return found


def watches_differ(made: DataFrame, anew: DataFrame) -> list[str]:
    """The watches that a table has and all events do not make at once, and the other way round."""
    columns = [name for name in anew.columns if name in made.columns]
    ours, theirs = (Counter(map(str, rows.select(*columns).collect())) for rows in (made, anew))
    return [
        *[f"a watch that is not: {row}" for row in ours - theirs],
        *[f"a watch that is missing: {row}" for row in theirs - ours],
    ]


def _rows(sql: str, settings: Settings) -> list[dict[str, Any]]:
    names, rows = query(sql, settings)
    return [dict(zip(names, row, strict=True)) for row in rows]
