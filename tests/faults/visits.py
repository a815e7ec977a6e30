"""Visits as a player makes them: pages of a feed by their cursors, clips, what was done told, and some uploads.

Belongs here: what one visit asks, and Seen, which counts all answers and keeps those that should not have come. How
many visits there are, and for how long: test_soak.py.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.serving.tus import CLIP, begin, send

# What may be answered, by what is asked. A cursor outlives its feed by two days, and a soak makes that minutes.
EXPECTED = {
    "first page": {200}, "unchanged page": {200, 304}, "next page": {200, 410}, "wrong cursor": {400}, "events": {202},
    "clip": {206}, "card": {200}, "trending": {200}, "upload": {201}, "bytes of an upload": {204}, "metrics": {200},
}  # fmt: skip
REACTIONS = ("view", "view", "view", "like", "share", "skip", "not_interested")
MOST_PAGES = 12


class Seen:
    """All answers of all visits: how many there were of what kind, how long pages took, and what was wrong."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.page_ms: list[float] = []
        self.wrong: list[str] = []
        self._lock = threading.Lock()

    def ask(self, what: str, api: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response | None:
        """The answer if it is one that may come and has what was asked for; None where the visit ends."""
        began = time.monotonic()
        try:
            answer = api.request(method, path, **more)
        except httpx.HTTPError as error:
            self.complain(f"{what}: {error!r}")
            return None
        self.note(what, answer, 1000 * (time.monotonic() - began))
        return answer if answer.is_success else None

    def note(self, what: str, answer: httpx.Response, ms: float) -> None:
        with self._lock:
            self.answers[f"{what} {answer.status_code}"] += 1
            if "page" in what:
                self.page_ms.append(ms)
        if answer.status_code not in EXPECTED[what]:
            self.complain(f"{what}: {answer.status_code} {answer.text[:200]}")

    def complain(self, sentence: str) -> None:
        with self._lock:
            self.wrong.append(sentence)


def visit(api: httpx.Client, viewer: str, chance: random.Random, seen: Seen) -> None:
    """Page through a feed for a while; no video may come twice, and pages are of one version."""
    address, known, version, cursor = f"/v1/feed/{viewer}", set[str](), None, None
    for _ in range(chance.randint(1, MOST_PAGES)):
        what = "next page" if cursor else "first page"
        answer = seen.ask(what, api, "GET", address, params={"limit": 20} | ({"cursor": cursor} if cursor else {}))
        if answer is None:
            return
        page = answer.json()
        videos = [item["video_id"] for item in page["items"]]
        again = known.intersection(videos) or {video for video in videos if videos.count(video) > 1}
        if again:
            seen.complain(f"{viewer} was shown {sorted(again)} again, on a page of {page['feed_version']}")
        if version not in (None, page["feed_version"]):
            seen.complain(f"{viewer} came from a page of {version} to one of {page['feed_version']}")
        known.update(videos)
        version, cursor = page["feed_version"], page["next_cursor"]
        watch(api, viewer, page, chance, seen)
        if chance.random() < 0.2:
            beside(api, viewer, answer, chance, seen)
        if cursor is None:
            return


def watch(api: httpx.Client, viewer: str, page: dict[str, Any], chance: random.Random, seen: Seen) -> None:
    """Some of what the page shows, and tell it."""
    events = [_event(viewer, slot, page, "impression") for slot in page["items"]]
    for slot in chance.sample(page["items"], min(4, len(events))):
        events.append(_event(viewer, slot, page, chance.choice(REACTIONS)))
        seen.ask("clip", api, "GET", slot["playback_url"], headers={"Range": "bytes=0-65535"})
    if events:
        seen.ask("events", api, "POST", "/v1/events", json=events)


def beside(api: httpx.Client, viewer: str, page: httpx.Response, chance: random.Random, seen: Seen) -> None:
    """One of the things that are done now and then."""
    video = chance.choice(page.json()["items"] or [{"video_id": "v0"}])["video_id"]
    match chance.randrange(6):
        case 0:
            headers = {"If-None-Match": page.headers["etag"]} if "etag" in page.headers else {}
            seen.ask("unchanged page", api, "GET", f"/v1/feed/{viewer}", params={"limit": 20}, headers=headers)
        case 1:
            seen.ask("wrong cursor", api, "GET", f"/v1/feed/{viewer}", params={"cursor": f"x{chance.random()}"})
        case 2:
            seen.ask("card", api, "GET", f"/v1/videos/{video}")
        case 3:
            seen.ask("trending", api, "GET", "/v1/trending/videos")
        case 4:
            seen.ask("metrics", api, "GET", "/metrics")
        case _:
            began = begin(api, user_id=viewer, title=f"Clip {chance.random()}")
            seen.note("upload", began, 0)
            if began.is_success:
                seen.note("bytes of an upload", send(api, began.headers["location"], CLIP, at=0), 0)


def _event(viewer: str, slot: dict[str, Any], page: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "event_id": str(uuid.uuid4()), "event_type": kind, "user_id": viewer, "video_id": slot["video_id"],
        "event_at": datetime.now(UTC).isoformat(), "position": slot["position"], "feed_version": page["feed_version"],
    }  # fmt: skip
