"""How fast feed pages are served, beside a route that does nothing and beside Redis itself, in the same run.

Belongs here: the measurement. It prints and asserts nothing: a ratio on a busy laptop is not a test.

    python bench/serving_pages.py [--seconds 3] [--rounds 3] [--users 500]

At each load, one after the other and in turns, so that a change of the machine's mood hits all:

    reelmill     `reelmill serve`: a first page of 20 slots of a feed of 200, for viewers who were shown 20 of these
                 and 160 other videos
    bare         FastAPI and uvicorn with a route that returns as many constant bytes, and nothing else
    redis        redis-benchmark that GETs a value of that size

The load is made by wrk (Debian's package wrk), which is no Python and takes a fraction of a core; how much is printed.
redis-benchmark is in Debian's redis-tools.
"""

from __future__ import annotations

import argparse
import csv
import gc
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from statistics import geometric_mean, median
from typing import NamedTuple, cast

import httpx
import redis
from rich.console import Console
from rich.table import Table

from jobs.host.ports import free_port
from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from serving.feed_store import seen
from serving.feed_store.held import held
from serving.feed_store.layout import encode
from serving.feed_store.writer import FeedStore

SLOTS_PER_FEED = 200
VIDEOS = 10_000
PAGE = 20
SEEN_OF_FEED, SEEN_OF_OTHERS = 20, 160
CONNECTIONS = (1, 8, 32, 128)
VERSION = "20180924.bench"
# Whose memory is measured: as many that what is not theirs is nothing.
MEASURED_VIEWERS = 20_000
NAMES = ("reelmill", "bare", "redis")
# The end of a line of wrk's output that is ours.
REPORT = """
local users = tonumber(os.getenv('USERS'))
local path = os.getenv('PATH_OF_PAGE')
function request() return wrk.format('GET', (path:gsub('USER', 'user' .. math.random(0, users - 1)))) end
function done(summary, latency)
  local errors = summary.errors
  local wrong = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print('report', summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), wrong)
end
"""


class Turn(NamedTuple):
    """What came of one turn of load: requests a second, milliseconds, the server's processor time a request.

    The last is the share of a core that made the load.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    by_load: float


def feed_of(user: int) -> list[int]:
    return random.Random(user).sample(range(VIDEOS), SLOTS_PER_FEED)


def words_of(video: int) -> dict[str, object]:
    return {"reason": f"because you watched What video {video % 40} is about", "propensity": None}


def card(video: int) -> dict[str, object]:
    """A card of realistic size: about 400 bytes."""
    return {
        "video_id": str(video),
        "user_id": f"creator{video % 977}",
        "title": f"What video {video} is about, in about forty letters",
        "hashtags": ["slowtv", "sunset"],
        "duration": 14.52,
        "published_at": "2018-09-20T12:00:00Z",
        "views": video * 31,
        "likes": video,
        "playback_url": f"/media/{video:064x}/master.m3u8",
        "poster_url": f"/media/{video:064x}/poster.jpg",
    }


def show(client: redis.Redis, viewer: str, videos: list[str]) -> None:
    for script, key, marks in seen.remembering((viewer, video) for video in videos):
        client.eval(script.text, 1, key, marks)


def publish(url: str, users: int) -> tuple[float, float]:
    """Publish feeds, of which each viewer was shown some; returns Redis' bytes for a feed and for what was shown."""
    others = [f"other{n}" for n in range(SEEN_OF_OTHERS)]
    with FeedStore(url) as store, redis.Redis.from_url(url) as client:
        before = cast("dict[str, int]", client.info("memory"))["used_memory"]
        for n in range(MEASURED_VIEWERS):
            show(client, f"measured-{n:07d}", [*others, *(f"video{m}" for m in range(SEEN_OF_OTHERS))])
        used = cast("dict[str, int]", client.info("memory"))["used_memory"] - before
        store.begin(VERSION)
        store.write_parts(VERSION, map(card, range(VIDEOS)))
        feeds = ((f"user{n}", feed_of(n)) for n in range(users))
        store.write_feeds(
            VERSION, ((one, [str(v) for v in videos], [encode(words_of(v)) for v in videos]) for one, videos in feeds)
        )
        listed = enumerate(feed_of(-1))
        store.write_fallback(VERSION, [card(v) | words_of(v) | {"position": n} for n, v in listed])
        store.commit(VERSION, users)
        for n in range(users):
            show(client, f"user{n}", [*others, *map(str, random.Random(n).sample(feed_of(n), SEEN_OF_FEED))])
        return held(client)[0].bytes_per_viewer, used / MEASURED_VIEWERS


@contextmanager
def serving(command: list[str], port: int, path: str, environment: dict[str, str]) -> Iterator[int]:
    """The process id of a server of its own that answers."""
    process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}{path}").raise_for_status()
                break
            except httpx.HTTPError:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far: unlike a latency, it does not depend on what else the machine does."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_seconds() -> float:
    """Processor time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def load(script: Path, port: int, path: str, pid: int, users: int, connections: int, seconds: float) -> Turn:
    before, load_before = cpu_seconds(pid), children_seconds()
    # Slow is a figure and no error; wrk counts what takes longer than this as one.
    times = ["--timeout", "30s", f"-d{seconds:g}s"]
    command = ["wrk", "-t1", f"-c{connections}", *times, "-s", str(script), f"http://127.0.0.1:{port}"]
    environment = os.environ | {"USERS": str(users), "PATH_OF_PAGE": path}
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    report = next(line for line in output.splitlines() if line.startswith("report"))
    requests, duration, p50, p99, wrong = map(float, report.split()[1:])
    if wrong:
        raise RuntimeError(f"{wrong:.0f} of {requests:.0f} answers on port {port} were errors: {output}")
    cpu_us = 1e6 * (cpu_seconds(pid) - before) / requests
    by_load = 1e6 * (children_seconds() - load_before) / duration
    return Turn(1e6 * requests / duration, p50 / 1000, p99 / 1000, cpu_us, by_load)


def load_redis(port: int, connections: int, seconds: float, rate: float) -> Turn:
    """As many GETs as take so long at the rate of the turn before."""
    command = ["redis-benchmark", "-p", str(port), "-c", str(connections), "-n", str(int(rate * seconds)), "--csv"]
    output = subprocess.run([*command, "GET", "bench:page"], check=True, capture_output=True, text=True).stdout
    (row,) = csv.DictReader(StringIO(output))
    rps, p50, p99 = (float(row[name]) for name in ("rps", "p50_latency_ms", "p99_latency_ms"))
    return Turn(rps, p50, p99, float("nan"), float("nan"))


def summary(turns: list[Turn]) -> Turn:
    return Turn(*(median(values) for values in zip(*turns, strict=True)))


def measure(options: argparse.Namespace, home: Path, url: str) -> dict[int, dict[str, list[Turn]]]:
    """The turns of each side at each load."""
    ours, bare = free_port(), free_port()
    script = home / "report.lua"
    script.write_text(REPORT)
    path = f"/v1/feed/USER?limit={PAGE}"
    # An endpoint of its own home, as one behind a load balancer is: the Redis is another process's.
    serve = [sys.executable, "-c", "from jobs.command.cli import main; main()", "serve", "--port", str(ours)]
    environment = {"REELMILL_HOME": str(home / "endpoint"), "REELMILL_REDIS_URL": url}
    with serving(serve, ours, "/livez", environment) as our_pid:
        page = httpx.get(f"http://127.0.0.1:{ours}{path.replace('USER', 'user1')}").raise_for_status().content
        with redis.Redis.from_url(url) as client:
            client.set("bench:page", page)
            redis_port = int(client.connection_pool.connection_kwargs["port"])
        constant = [sys.executable, __file__, "--serve-constant", str(len(page)), "--port", str(bare)]
        with serving(constant, bare, "/constant", {}) as bare_pid:
            turns: dict[int, dict[str, list[Turn]]] = {n: {name: [] for name in NAMES} for n in CONNECTIONS}
            load(script, ours, path, our_pid, options.users, 8, 1)
            load(script, bare, "/constant", bare_pid, options.users, 8, 1)
            rate = 5_000.0
            for connections in CONNECTIONS:
                for _ in range(options.rounds):
                    common = options.users, connections, options.seconds
                    turns[connections]["bare"].append(load(script, bare, "/constant", bare_pid, *common))
                    turns[connections]["reelmill"].append(load(script, ours, path, our_pid, *common))
                for _ in range(options.rounds):
                    turns[connections]["redis"].append(load_redis(redis_port, connections, options.seconds, rate))
                    rate = turns[connections]["redis"][-1].per_second
            told = httpx.get(f"http://127.0.0.1:{ours}/metrics").raise_for_status().text
            (without,) = re.findall(r"^reelmill_pages_without_redis_total (\S+)$", told, re.MULTILINE)
            if float(without):
                raise RuntimeError(f"{without} of the pages were of the list for when Redis is away, which costs less")
            return turns


def serve_constant(size: int, port: int) -> None:
    """The bare route."""
    import uvicorn
    from fastapi import FastAPI, Response

    app, body = FastAPI(), b"x" * size

    @app.get("/constant")
    async def constant() -> Response:
        return Response(body, media_type="application/json")

    # As `reelmill serve` has them, so that the route is all that differs.
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    uvicorn.run(app, port=port, log_level="warning", access_log=False, proxy_headers=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=3, help="of load in a turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side at each load")
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--serve-constant", type=int, metavar="BYTES", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_constant:
        serve_constant(options.serve_constant, options.port)
        return
    if missing := [name for name in ("wrk", "redis-benchmark") if shutil.which(name) is None]:
        raise SystemExit(f"{' and '.join(missing)} not found: apt-get install wrk redis-tools")
    console = Console()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="reelmill-bench-") as folder:
        home = Path(folder)
        with redis_url(Settings(home=home)) as url:
            feed_bytes, seen_bytes = publish(url, options.users)
            turns = measure(options, home, url)
    table = Table(title=f"First pages of {PAGE} of {SLOTS_PER_FEED} slots, what was shown left out; medians of turns")
    for column in ("connections", "", "requests/s", "p50 ms", "p99 ms", "endpoint µs/request", "load, of a core"):
        table.add_column(column, justify="right")
    for connections, sides in turns.items():
        found = {name: summary(sides[name]) for name in NAMES}
        for name, turn in found.items():
            more = (f"{turn.cpu_us:,.0f}", f"{turn.by_load:.0%}") if name != "redis" else ()
            figures = f"{turn.per_second:,.0f}", f"{turn.p50_ms:.2f}", f"{turn.p99_ms:.2f}", *more
            table.add_row(str(connections), name, *figures)
        pairs = list(zip(sides["reelmill"], sides["bare"], strict=True))
        table.add_row(
            "",
            "reelmill / bare",
            *(f"{geometric_mean(a[n] / b[n] for a, b in pairs):.2f}" for n in range(4)),
            end_section=True,
        )
    console.print(table)
    console.print(
        f"load average {load_before:.1f} before, {os.getloadavg()[0]:.1f} at the end; "
        f"Redis: {feed_bytes:,.0f} bytes a feed, {seen_bytes:,.0f} for what a viewer was shown"
    )


if __name__ == "__main__":
    main()
