"""How fast a feed page is served, as a ratio to the plain way of doing it, in the same run.

Belongs here: the measurement. It prints and asserts nothing: a ratio on a busy laptop is not a test.

    python bench/serving_latency.py [--seconds 10] [--clients 16] [--users 500]

The plain way: the version pointer is read, then the user's whole feed as one JSON value, which is decoded, sliced and
encoded again through a pydantic response model. Both run in one uvicorn process of their own over the same Redis and
the same feeds, are warmed up, and are then measured in turns, so that a change of the machine's mood hits both.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import geometric_mean, quantiles

import orjson
import redis
import redis.asyncio
import uvicorn
from fastapi import FastAPI
from rich.console import Console
from rich.table import Table

from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from serving.app import create_app
from serving.feed_store.writer import FeedStore
from serving.feeds import FeedPage

SLOTS_PER_FEED = 100
ROUNDS = 5
VERSION = "20180924T000000Z-bench"


def feed_of(user: int) -> list[dict[str, object]]:
    """A feed of realistic size: about 300 bytes a slot."""
    chosen = random.Random(user).sample(range(10_000), SLOTS_PER_FEED)
    return [
        {
            "video_id": str(video),
            "position": position,
            "score": round(1.0 - position / 137, 6),
            "reason": "item_item: because you finished a video like this",
            "title": f"What video {video} is about, in about forty letters",
            "user_id": f"creator{video % 977}",
            "duration": 14.52,
            "playback_url": f"/media/{video:064x}/master.m3u8",
            "poster_url": f"/media/{video:064x}/poster.jpg",
            "propensity": None,
        }
        for position, video in enumerate(chosen)
    ]


def plain_app(url: str) -> FastAPI:
    app = FastAPI()
    client = redis.asyncio.Redis.from_url(url)

    @app.get("/v1/feed/{user_id}", response_model=FeedPage)
    async def feed(user_id: str, limit: int = 10, offset: int = 0) -> dict[str, object]:
        version = (await client.get("plain:current")).decode()
        items = orjson.loads(await client.get(f"plain:{version}:{user_id}"))
        return {
            "user_id": user_id,
            "feed_version": version,
            "is_fallback": False,
            "is_stale": False,
            "items": items[offset : offset + limit],
            "next_cursor": str(offset + limit),
        }

    return app


def serve(kind: str, url: str, folder: Path, listening: socket.socket) -> None:
    app = (
        plain_app(url)
        if kind == "plain"
        else create_app(redis_url=url, media=folder / "media", events=folder / "events", secret="bench")
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    server.run(sockets=[listening])


@contextmanager
def running(kind: str, url: str, folder: Path) -> Iterator[tuple[int, int]]:
    """The port and process id of a server process; connections wait in its socket until it is up."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        process = multiprocessing.get_context("fork").Process(target=serve, args=(kind, url, folder, listening))
        process.start()
        try:
            assert process.pid is not None
            yield listening.getsockname()[1], process.pid
        finally:
            process.terminate()
            process.join()


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far: unlike a latency, it does not depend on what else the machine does."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def client(port: int, users: int, until: float, seed: int, seconds: list[float]) -> None:
    """One keep-alive connection that asks for feeds, one after the other. No HTTP library: it would be most of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    chosen = random.Random(seed)
    while time.perf_counter() < until:
        started = time.perf_counter()
        writer.write(f"GET /v1/feed/user{chosen.randrange(users)}?limit=10 HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        seconds.append(time.perf_counter() - started)
    writer.close()
    await writer.wait_closed()


async def load(port: int, users: int, clients: int, duration: float) -> list[float]:
    seconds: list[float] = []
    until = time.perf_counter() + duration
    await asyncio.gather(*(client(port, users, until, seed, seconds) for seed in range(clients)))
    return seconds


def publish(url: str, users: int) -> float:
    """Write the same feeds both ways; returns the bytes of Redis memory per viewer of ours."""
    with FeedStore(url) as store:
        store.begin(VERSION)
        store.write_feeds(VERSION, ((f"user{n}", feed_of(n)) for n in range(users)))
        store.write_fallback(VERSION, feed_of(-1))
        store.commit(VERSION, users)
        with redis.Redis.from_url(url) as plain:
            plain.set("plain:current", VERSION)
            for n in range(users):
                plain.set(f"plain:{VERSION}:user{n}", orjson.dumps(feed_of(n)))
        return store.memory_per_viewer()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10, help="of load on each side, in all")
    parser.add_argument("--clients", type=int, default=16, help="connections that ask at the same time")
    parser.add_argument("--users", type=int, default=500)
    options = parser.parse_args()
    console = Console()
    measured: dict[str, list[list[float]]] = {"plain": [], "reelmill": []}
    cpu = dict.fromkeys(measured, 0.0)
    turn = options.seconds / ROUNDS
    with tempfile.TemporaryDirectory(prefix="reelmill-bench-") as home, redis_url(Settings(home=Path(home))) as url:
        folder = Path(home)
        memory = publish(url, options.users)
        with running("plain", url, folder) as plain, running("reelmill", url, folder) as ours:
            servers = {"plain": plain, "reelmill": ours}
            for port, _ in servers.values():
                asyncio.run(load(port, options.users, options.clients, 1.0))
            for _ in range(ROUNDS):
                for kind, (port, pid) in servers.items():
                    before = cpu_seconds(pid)
                    measured[kind].append(asyncio.run(load(port, options.users, options.clients, turn)))
                    cpu[kind] += cpu_seconds(pid) - before
    table = Table(title=f"GET /v1/feed, 10 of {SLOTS_PER_FEED} slots, {options.clients} connections")
    for column in ("", "requests/s", "CPU µs/request", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(column, justify="right")
    percent: dict[str, list[float]] = {}
    for kind, turns in measured.items():
        cuts = quantiles((second for turn_ in turns for second in turn_), n=100)
        percent[kind] = [1000 * cuts[at - 1] for at in (50, 95, 99)]
        requests = sum(map(len, turns))
        cpu[kind] /= requests
        table.add_row(
            kind,
            f"{requests / options.seconds:,.0f}",
            f"{1e6 * cpu[kind]:,.0f}",
            *(f"{ms:.2f}" for ms in percent[kind]),
        )
    ratios = [len(a) / len(b) for a, b in zip(measured["reelmill"], measured["plain"], strict=True)]
    latency = [f"{b / a:.2f}x" for a, b in zip(percent["reelmill"], percent["plain"], strict=True)]
    table.add_row("ratio", f"{geometric_mean(ratios):.2f}x", f"{cpu['plain'] / cpu['reelmill']:.2f}x", *latency)
    console.print(table)
    console.print(
        f"requests/s, by turn: {min(ratios):.2f}x to {max(ratios):.2f}x; memory per viewer: {memory:,.0f} bytes"
    )


if __name__ == "__main__":
    main()
