"""A small world to watch: ten clips as our own ladder makes them, in feeds of a real Redis, behind the real endpoint.

Belongs here: what the tests of the player share. Clips are drawn larger when PICTURES is set, for those of the docs.
"""

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from jobs.media.ladder import transcode
from jobs.media.probe import probe
from jobs.sim.clips import Clip, draw
from serving.app import create_app
from serving.feed_store.layout import version_of
from serving.feed_store.shapes import FIRST_SECONDS, Slot, TrendingKind
from serving.feed_store.trending import publish
from serving.feed_store.writer import FeedStore
from serving.spool_upkeep import every_file
from tests.chromium import Chromium, chromium
from tests.serving.conftest import over_http
from tests.serving.player.person import Person
from tests.serving.staging import write_feeds

TITLES = (
    "Round sunset, no filter", "A slow orange sky", "Carpet of squares", "Smoke over the harbour", "Rule 110 at dawn",
    "Zone plate drifting by", "Glider guns", "Test card, take four", "Pink wall, long walk", "How I tune my colours",
    "Sunset again", "<img src='x'>The sky, once more",
)  # fmt: skip
# The generator of each clip's picture, and the seed.
PICTURES = ((9, 31), (5, 31), (3, 5), (5, 13), (6, 11), (8, 13), (0, 17), (2, 7), (9, 11), (4, 3))
CREATORS = ("cyra", "dee", "eli", "fay", "gus")
REASONS = ("Because you watched “A slow orange sky”.", "Many watched it lately.", "New here.")
VIEWERS = ("ann", "bo", "cy", "di", "ed", "flo", "gil", "hal", "ivy", "jo", "kay", "mia", "ola", "pia")
# Whose feed has a video without media first, then one whose clip is not there.
ODD = "lou"
NIGHT = date(2026, 1, 18)
VERSION = version_of(NIGHT, "lightgbm")
SECONDS = 2.0
SIZE = (540, 960) if os.environ.get("PICTURES") else (180, 320)
IDS = [f"clip-{n:04d}" for n in range(len(TITLES))]


def card(n: int) -> dict[str, Any]:
    """Of the last two, the clips are those of the first two."""
    media = f"/media/{n % len(PICTURES)}"
    return {
        "video_id": IDS[n],
        "user_id": CREATORS[n % len(CREATORS)],
        "title": TITLES[n],
        "hashtags": ["slowtv", ("sunset", "sky", "<b>maths</b>")[n % 3]],
        "duration": SECONDS,
        "published_at": "2026-01-10T12:00:00Z",
        "views": 1_234 * (n + 1),
        "likes": 57 * n + 11,
        "playback_url": f"{media}/master.m3u8",
        "poster_url": f"{media}/poster.jpg",
        "preload": {
            "playlist_url": f"{media}/{SIZE[0]}p/index.m3u8",
            "bytes": dict.fromkeys(map(str, FIRST_SECONDS), 60_000),
            "watch_seconds": 1.5,
        },
    }


def slots() -> list[dict[str, object]]:
    """A feed in the order of IDS; chance has filled its third place."""
    places = [
        Slot(**card(n), position=n, reason=REASONS[n % len(REASONS)], propensity=0.004 if n == 2 else None)
        for n in range(len(IDS))
    ]
    return [place.model_dump() for place in places]


def odd() -> list[dict[str, object]]:
    none, gone, *rest = slots()
    none |= {"video_id": "clip-none", "playback_url": None, "poster_url": None}
    return [none, gone | {"video_id": "clip-gone", "playback_url": "/media/none.m3u8"}, *rest]


@dataclass
class World:
    """The endpoint's address, its Redis and its spool."""

    url: str
    redis_url: str
    redis: redis.Redis
    spool: Path

    def publish(self, version: str = VERSION) -> None:
        """Give all VIEWERS the same feed, and ODD another."""
        feeds = {viewer: slots() for viewer in VIEWERS} | {ODD: odd()}
        with FeedStore(self.redis_url) as store:
            store.begin(version)
            store.write_videos((card(n), NIGHT) for n in range(len(IDS)))
            write_feeds(store, version, feeds.items())
            store.write_fallback(version, slots())
            store.commit(version, len(feeds), back=True)

    def events(self, viewer: str, at_least: int = 1, /, **wanted: object) -> list[dict[str, Any]]:
        """What was told of a viewer and is like `wanted`, in order of time, as soon as there are so many."""
        until = time.monotonic() + 60
        while len(found := [event for event in self._kept(viewer) if wanted.items() <= event.items()]) < at_least:
            told = " ".join(f"{event['event_type']}:{event['video_id']}" for event in self._kept(viewer))
            assert time.monotonic() < until, told
            time.sleep(0.1)
        return sorted(found, key=lambda event: str(event["event_at"]))

    def told(self, viewer: str, **wanted: object) -> dict[str, Any]:
        """The one event that is like that."""
        (event,) = self.events(viewer, **wanted)
        return event

    def _kept(self, viewer: str) -> list[dict[str, Any]]:
        """Each event once."""
        kept: dict[str, dict[str, Any]] = {}
        # The open file first: meanwhile it may get its name, and be there as another.
        for file in (*self.spool.glob(".*-*.jsonl"), *every_file(self.spool)):
            with suppress(FileNotFoundError):
                kept |= {event["event_id"]: event for event in map(json.loads, file.read_text().splitlines())}
        return [event for event in kept.values() if event["user_id"] == viewer]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A media store of ten clips, each another kind of picture."""
    folder = tmp_path_factory.mktemp("media")

    def publish_clip(number: int) -> None:
        topic, seed = PICTURES[number]
        drawn, made = folder / f".{number}.mp4", folder / str(number)
        draw(Clip(seed, topic, seed * 47 % 360, number, int(SECONDS * 1000), SIZE, 0), drawn)
        made.mkdir()
        transcode(drawn, probe(drawn), made)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(publish_clip, range(len(PICTURES))))
    return folder


@pytest.fixture(scope="module")
def world(server_url: str, media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    spool, landing = tmp_path_factory.mktemp("events"), tmp_path_factory.mktemp("landing")
    app = create_app(redis_url=server_url, media=media, events=spool, landing=landing, secret="a secret")
    with redis.Redis.from_url(server_url) as client, over_http(app) as http:
        client.flushall()
        made = World(str(http.base_url), server_url, client, spool)
        made.publish()
        rises: list[dict[str, object]] = [
            {"id": IDS[n], "people": 40 + n, "reason": f"{40 + n} people in half a day; 5 were to be expected."}
            for n in (3, 1, 8, 0, 5)
        ]
        tags: list[dict[str, object]] = [
            {"id": tag, "people": 60, "reason": "Three times its past."} for tag in ("slowtv", "sunset")
        ]
        for kind, items in ((TrendingKind.VIDEOS, rises), (TrendingKind.HASHTAGS, tags)):
            ranked = [item | {"rank": rank, "score": 9.0 - rank} for rank, item in enumerate(items, 1)]
            publish(client, kind, datetime.now(UTC), ranked)
        yield made


@pytest.fixture(scope="module")
def window() -> Iterator[Chromium]:
    # Whatever it asks of another machine fails, and the console says so.
    with chromium("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1") as opened:
        yield opened


@pytest.fixture
def person(window: Chromium, world: World) -> Iterator[Person]:
    """Nothing that they did made the console complain or asked another origin."""
    somebody = Person(window, world.url)
    yield somebody
    assert somebody.console() == []
    somebody.leave()
    assert [address for address in somebody.asked if not address.startswith((world.url, "blob:"))] == []
