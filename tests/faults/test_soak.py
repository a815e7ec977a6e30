"""For an hour all kinds of requests at once, while feeds are published ten times: nothing grows, nothing comes twice.

The suite looks whether a visit would see what must not be. `make soak SECONDS=3600` does the rest, and prints it.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, cast

import httpx
import pytest
import redis

from jobs.host.ports import free_port
from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from serving.feed_store import cards, trending, writer
from serving.feed_store.layout import encode
from serving.feed_store.shapes import TrendingKind
from serving.feed_store.writer import FeedStore
from tests.faults.visits import Seen, visit
from tests.steps import wait

SECONDS = float(os.environ.get("SOAK_SECONDS", "3600"))
SEED = int(os.environ.get("SOAK_SEED") or time.time_ns() % 1_000_000)
PUBLISHES = 10
VIEWERS, VIDEOS, SLOTS = 3_000, 5_000, 200
CLIENTS = 6
# Between two visits of a client: people look at what they are shown.
REST_S = 0.1
SAMPLES = 60


class Sample(NamedTuple):
    """What the processes hold."""

    at_s: float
    endpoint_mb: float
    redis_mb: float
    files: int


def card(video: int) -> dict[str, object]:
    return {
        "video_id": f"v{video}", "user_id": f"maker{video % 97}", "title": f"Clip {video}", "hashtags": ["cats"],
        "duration": 12.5, "published_at": "2024-03-01T10:00:00Z", "views": video, "likes": 0,
        "playback_url": "/media/abc/first.m4s", "poster_url": None,
    }  # fmt: skip


def publish(store: FeedStore, client: redis.Redis, number: int) -> None:
    """Another order for everybody, under the next night, and what rises."""
    night = datetime(2024, 3, 1, tzinfo=UTC) + timedelta(days=number)
    version, chance = f"{night:%Y%m%d}.soak", random.Random(number)
    all_cards = [card(n) for n in range(VIDEOS)]
    words = [encode({"reason": f"because of {n}", "propensity": None}) for n in range(40)]

    def feeds() -> Iterator[tuple[str, list[str], list[bytes]]]:
        for viewer in range(VIEWERS):
            videos = chance.sample(range(VIDEOS), SLOTS)
            yield f"u{viewer}", [f"v{n}" for n in videos], [words[n % len(words)] for n in videos]

    store.begin(version)
    store.write_parts(version, all_cards)
    store.write_videos((one, night.date()) for one in all_cards)
    store.write_feeds(version, feeds())
    strangers = enumerate(chance.sample(all_cards, SLOTS))
    store.write_fallback(version, [one | {"position": n, "reason": "new", "propensity": None} for n, one in strangers])
    store.commit(version, VIEWERS)
    rises = [{"rank": n, "id": f"v{n}", "score": 9.5, "people": 40, "reason": "why"} for n in range(1, 100)]
    trending.publish(client, TrendingKind.VIDEOS, datetime.now(UTC), rises)


@contextmanager
def endpoint(settings: Settings, log: Path) -> Iterator[tuple[str, int]]:
    """Its address, and the process."""
    port = free_port()
    command = [sys.executable, "-m", "jobs.command.cli", "serve", "--port", str(port)]
    environment = os.environ | {"REELMILL_HOME": str(settings.home)}
    with log.open("wb") as to, subprocess.Popen(command, env=environment, stdout=to, stderr=to) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait(lambda: httpx.get(f"{url}/livez").is_success, why=log.read_text)
            yield url, process.pid
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()


def look(began: float, pid: int, client: redis.Redis) -> Sample:
    (kib,) = [line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line]
    held = cast("dict[str, int]", client.info("memory"))["used_memory"]
    return Sample(time.monotonic() - began, int(kib) / 1024, held / 2**20, len(list(Path(f"/proc/{pid}/fd").iterdir())))


def growth(samples: list[Sample], what: str) -> float:
    """The most of the last third over the most of the third before; the first one fills what may be filled."""
    third = len(samples) // 3
    most = [max(float(getattr(one, what)) for one in part) for part in (samples[third:-third], samples[-third:])]
    return most[1] / most[0]


@pytest.mark.soak
def test_for_an_hour_nothing_grows_nothing_fails_and_nobody_is_shown_a_video_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"\nseed {SEED}, {SECONDS:.0f} s, {VIEWERS} viewers of {SLOTS} slots, {CLIENTS} clients")
    # Feeds that were replaced are gone two publishes later, as two days later otherwise: else all ten would be held.
    for module in (writer, cards):
        monkeypatch.setattr(module, "RETIRED_TTL_S", int(2 * SECONDS / PUBLISHES) or 1)
    settings = Settings(home=tmp_path / "home")
    (settings.media / "abc").mkdir(parents=True)
    (settings.media / "abc" / "first.m4s").write_bytes(os.urandom(2**18))
    seen, over, samples = Seen(), threading.Event(), list[Sample]()

    def client(number: int) -> None:
        chance = random.Random(SEED + number)
        with httpx.Client(base_url=url, timeout=60) as api:
            while not over.is_set():
                # One in ten is a stranger.
                visit(api, f"u{chance.randrange(int(1.1 * VIEWERS))}", chance, seen)
                over.wait(REST_S)

    with redis_url(settings) as of, redis.Redis.from_url(of) as store_client, FeedStore(of) as store:
        publish(store, store_client, 0)
        with endpoint(settings, tmp_path / "endpoint.log") as (url, pid), ThreadPoolExecutor(CLIENTS) as threads:
            began, published = time.monotonic(), 1
            visitors = [threads.submit(client, number) for number in range(CLIENTS)]
            try:
                while (passed := time.monotonic() - began) < SECONDS and not seen.wrong:
                    samples.append(look(began, pid, store_client))
                    if passed > published * SECONDS / PUBLISHES:
                        publish(store, store_client, published)
                        published += 1
                        pages = sorted(seen.page_ms)
                        p50, p99 = (pages[int(len(pages) * part)] for part in (0.5, 0.99))
                        print(
                            f"{passed:6.0f} s  endpoint {samples[-1].endpoint_mb:.0f} MB, Redis "
                            f"{samples[-1].redis_mb:.0f} MB, {samples[-1].files} open files; {len(pages):,} pages, "
                            f"p50 {p50:.0f} ms, p99 {p99:.0f} ms",
                            flush=True,
                        )
                    over.wait(SECONDS / SAMPLES)
            finally:
                over.set()
            for visitor in visitors:
                visitor.result()
    print(*(f"{count:9,}  {what}" for what, count in sorted(seen.answers.items())), sep="\n")
    grown = {what: growth(samples, what) for what in ("endpoint_mb", "redis_mb", "files")}
    print("most of the last third over the most of the third before:", {k: round(v, 3) for k, v in grown.items()})
    assert seen.wrong == []
    assert published == PUBLISHES
    # A page that fills, a garbage collection that is due.
    assert all(ratio < 1.1 for ratio in grown.values()), samples


def test_a_visit_sees_what_comes_twice_what_changes_under_it_and_what_should_not_be_answered() -> None:
    pages = iter(
        [
            {"items": [_slot("a", 0), _slot("b", 1)], "feed_version": "v1", "next_cursor": "c"},
            {"items": [_slot("b", 2)], "feed_version": "v2", "next_cursor": None},
        ]
    )

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/v1/feed"):
            return httpx.Response(200, json=next(pages))
        return httpx.Response(503 if request.url.path == "/v1/events" else 206)

    class AllPages(random.Random):
        def randint(self, a: int, b: int) -> int:
            return b

    seen = Seen()
    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://here") as api:
        visit(api, "ann", AllPages(1), seen)
    assert [sentence[:40] for sentence in seen.wrong] == [
        "events: 503 ",
        "ann was shown ['b'] again, on a page of ",
        "ann came from a page of v1 to one of v2",
        "events: 503 ",
    ]
    assert seen.answers == {"first page 200": 1, "next page 200": 1, "clip 206": 3, "events 503": 2}


def _slot(video: str, position: int) -> dict[str, object]:
    return {"video_id": video, "position": position, "playback_url": f"/media/{video}"}
