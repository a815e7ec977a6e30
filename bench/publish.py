"""What it takes to publish a night's feeds, beside the plain way, and what the endpoint's clients notice of it.

Belongs here: the measurement. It prints and asserts nothing: a ratio on a busy laptop is not a test.

    python bench/publish.py [--viewers 100000] [--plain 10000] [--videos 20000]

Feeds of 200 slots are drawn into a Parquet file like gold.feeds: each viewer has 25 reasons that name a video, and one
slot in 250 is drawn by chance. In one run, into a Redis of its own each:

    reelmill     jobs/feeds/publish.py itself, from the file to the moved pointer, and the same once more over the first
    plain        a list of whole JSON slots for each viewer, by a pipeline of redis-py from Spark's tasks

Memory of Spark is the greatest sum of what this process, the JVM and Python's workers have resident; of Redis, what it
says that it used afterwards more than before, over the viewers. While the second publish goes on, and before it in
quiet, a client asks `reelmill serve` for pages of 20 at a steady rate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple, cast

import httpx
import orjson
import psutil
import redis
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

from jobs.engine.spark import session
from jobs.feeds.publish import Publication, Refused, hand_over
from jobs.host.ports import free_port
from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from serving.feed_store.held import held

SLOTS = 200
REASONS = 25
CREATORS = 997
# Pages a second, and over so many connections: a third of what the endpoint can do when Spark has the other core.
RATE, CONNECTIONS = 400, 8
QUIET_S = 15.0
CHUNK = 50
# A viewer's videos lie so far apart: it is a prime, so that none comes twice.
STRIDE = 7_919


class Published(NamedTuple):
    """What one publish took."""

    seconds: float
    spark_bytes: int
    redis_bytes: int


class Waited(NamedTuple):
    """How long clients waited for pages, in milliseconds, and how many pages they were."""

    pages: int
    p50: float
    p99: float


def draw(spark: SparkSession, viewers: int, videos: int, path: Path) -> None:
    """Write gold.feeds' columns that are published, for so many viewers."""
    rows = spark.range(viewers * SLOTS).selectExpr(f"id DIV {SLOTS} AS viewer", f"CAST(id % {SLOTS} AS INT) AS place")
    because = f"pmod(xxhash64(viewer, pmod(place, {REASONS})), {videos})"
    rows.selectExpr(
        "concat('user', viewer) AS user_id",
        "place AS position",
        f"concat('video', pmod(xxhash64(viewer) + place * {STRIDE}, {videos})) AS video_id",
        f"concat('because you watched What video ', {because}, ' is about') AS reason",
        "IF(pmod(xxhash64(place, viewer), 250) = 0, 1D / (100 + pmod(viewer, 100)), NULL) AS propensity",
        "'item_item' AS source",
        "'5d41402a' AS policy_version",
        "CAST(NULL AS STRING) AS feed_arm",
    ).write.parquet(str(path))


def cards(spark: SparkSession, videos: int) -> DataFrame:
    """Cards of realistic size, as from jobs/media/cards.py."""
    media = "concat('/media/', sha2(CAST(id AS STRING), 256), '/')"
    return spark.range(videos).selectExpr(
        "concat('video', id) AS video_id",
        f"concat('creator', id % {CREATORS}) AS user_id",
        "concat('What video ', id, ' is about, in about forty letters') AS title",
        "array('slowtv', 'sunset') AS hashtags",
        "14.52D AS duration",
        "'2026-01-10T12:00:00Z' AS published_at",
        "id * 31 AS views",
        "id AS likes",
        f"concat({media}, 'master.m3u8') AS playback_url",
        f"concat({media}, 'poster.jpg') AS poster_url",
        f"named_struct('playlist_url', concat({media}, '360p/index.m3u8'), "
        "'bytes', named_struct('1', 60000L, '2', 120000L, '3', 180000L, '5', 300000L), "
        "'watch_seconds', 4.9D) AS preload",
    )


def publish_plainly(feeds: DataFrame, videos: DataFrame, url: str) -> None:
    """A list of JSON objects for each viewer."""
    of_video = videos.withColumnRenamed("user_id", "creator")
    slot = F.struct("position", "video_id", "reason", "propensity", *of_video.columns[1:])
    rows = feeds.join(of_video, on="video_id").groupBy("user_id").agg(F.sort_array(F.collect_list(slot)).alias("slots"))

    def write(rows: Iterator[Row]) -> None:
        with redis.Redis.from_url(url) as client:
            pipe = client.pipeline(transaction=False)
            for row in rows:
                pipe.rpush(
                    f"feed:{row['user_id']}", *[orjson.dumps(slot.asDict(recursive=True)) for slot in row["slots"]]
                )
                if len(pipe) >= CHUNK:
                    pipe.execute()
            pipe.execute()

    rows.foreachPartition(write)


@contextmanager
def watched(spark_bytes: list[int]) -> Iterator[None]:
    """Adds the greatest memory of this process, which commits, and its children, but for Redis and the endpoint."""
    done = threading.Event()

    def resident() -> int:
        total = 0
        this = psutil.Process()
        for process in (this, *this.children(recursive=True)):
            try:
                if "redis-server" not in process.name() and "serve" not in process.cmdline():
                    total += process.memory_info().rss
            except psutil.Error:  # it has just ended
                continue
        return total

    def look() -> None:
        greatest = 0
        while not done.wait(0.3):
            greatest = max(greatest, resident())
        spark_bytes.append(greatest)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        done.set()
        looking.join()


@contextmanager
def measured(url: str, found: list[Published]) -> Iterator[None]:
    with redis.Redis.from_url(url) as client:
        before = cast("dict[str, int]", client.info("memory"))["used_memory"]
        spark_bytes: list[int] = []
        begun = time.monotonic()
        with watched(spark_bytes):
            yield
        seconds = time.monotonic() - begun
        used = cast("dict[str, int]", client.info("memory"))["used_memory"] - before
        found.append(Published(seconds, spark_bytes[0], used))


async def _ask(port: int, viewers: int, until: float, waited: list[float], first: float) -> None:
    """Pages one after the other over one connection, at its share of the rate, for as long as it is to last."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = time.monotonic() + first
    while due < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        writer.write(b"GET /v1/feed/user%d?limit=20 HTTP/1.1\r\nHost: bench\r\n\r\n" % random.randrange(viewers))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200") or b"x-feed-source" in head.lower():
            raise RuntimeError(f"not a page: {head.decode()}")
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        # Since it was due: a client that is held up does not ask less, and those who would have asked count as well.
        waited.append(1000 * (time.monotonic() - due))
        due += CONNECTIONS / RATE
    writer.close()


def ask(port: int, viewers: int, stop: Path, seconds: float) -> None:
    """The client, a process of its own: it prints what it waited when the file is there, or after so many seconds."""

    async def run() -> list[float]:
        waited: list[float] = []
        until = time.monotonic() + seconds
        while not stop.exists() and time.monotonic() < until:
            end = min(until, time.monotonic() + 1.0)
            each = [_ask(port, viewers, end, waited, n / RATE) for n in range(CONNECTIONS)]
            await asyncio.gather(*each)
        return waited

    waited = asyncio.run(run())
    cuts = quantiles(waited, n=100)
    print(json.dumps([len(waited), cuts[49], cuts[98]]))


@contextmanager
def asking(port: int, viewers: int, seconds: float, found: list[Waited]) -> Iterator[None]:
    """A client asks until this is left, or until so many seconds have passed."""
    with tempfile.TemporaryDirectory() as folder:
        stop = Path(folder) / "stop"
        command = [sys.executable, __file__, "--ask", str(port), str(viewers), str(stop), str(seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
            try:
                yield
            finally:
                if seconds > QUIET_S:
                    stop.touch()
                output, _ = client.communicate()
            found.append(Waited(*json.loads(output)))


@contextmanager
def serving(url: str, home: Path) -> Iterator[int]:
    """The port of an endpoint over this Redis."""
    port = free_port()
    command = [sys.executable, "-c", "from jobs.command.cli import main; main()", "serve", "--port", str(port)]
    environment = os.environ | {"REELMILL_HOME": str(home), "REELMILL_REDIS_URL": url}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/readyz").raise_for_status()
                break
            except httpx.HTTPError:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--viewers", type=int, default=100_000)
    parser.add_argument("--plain", type=int, default=10_000, help="viewers of the plain way")
    parser.add_argument("--videos", type=int, default=20_000)
    parser.add_argument("--ask", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        port, viewers, stop, seconds = options.ask
        ask(int(port), int(viewers), Path(stop), float(seconds))
        return
    took: list[Published] = []
    waited: list[Waited] = []
    with tempfile.TemporaryDirectory(prefix="reelmill-bench-") as folder:
        home = Path(folder)
        settings = Settings(home=home / "spark")
        spark = session(settings)
        draw(spark, options.viewers, options.videos, home / "feeds")
        videos, feeds = cards(spark, options.videos).persist(), spark.read.parquet(str(home / "feeds"))
        counts = videos.selectExpr("video_id", "views AS viewers_28d", "views AS viewers_total")
        nobody = spark.createDataFrame([], "user_id string, video_id string")
        refused = Refused(nobody, nobody, nobody)
        with redis_url(Settings(home=home / "ours")) as url:
            with measured(url, took):
                hand_over(Publication("20260301.bench", feeds, videos, counts, refused), url)
            with redis.Redis.from_url(url) as client:
                (of_feed,) = [one.bytes_per_viewer for one in held(client)]
            with serving(url, home / "endpoint") as port:
                with asking(port, options.viewers, QUIET_S, []):  # parts that it does not have yet
                    pass
                with asking(port, options.viewers, QUIET_S, waited):
                    pass
                with asking(port, options.viewers, 3_600.0, waited), measured(url, took):
                    hand_over(Publication("20260302.bench", feeds, videos, counts, refused), url)
        few = feeds.where(f"CAST(substring(user_id, 5) AS INT) < {options.plain}")
        with redis_url(Settings(home=home / "plain")) as url, measured(url, took):
            publish_plainly(few, videos, url)
        spark.stop()
    table = Table("", "viewers", "seconds", "viewers/s", "Spark MiB", "Redis bytes a viewer")
    names = (("reelmill", options.viewers), ("again, with clients", options.viewers), ("plain", options.plain))
    for (name, viewers), one in zip(names, took, strict=True):
        cells = f"{one.seconds:.1f}", f"{viewers / one.seconds:,.0f}", f"{one.spark_bytes / 2**20:,.0f}"
        table.add_row(name, f"{viewers:,}", *cells, f"{one.redis_bytes / viewers:,.0f}")
    console = Console()
    console.print(table)
    quiet, during = waited
    console.print(f"{of_feed:,.0f} bytes of a viewer are their feed of {SLOTS} slots, with its key")
    console.print(f"pages at {RATE} a second, in milliseconds; load average {os.getloadavg()[0]:.1f} at the end")
    pages = Table("", "pages", "p50", "p99")
    for name, each in (("in quiet", quiet), ("during a publish", during)):
        pages.add_row(name, f"{each.pages:,}", f"{each.p50:.2f}", f"{each.p99:.2f}")
    pages.add_row("ratio", "", f"{during.p50 / quiet.p50:.2f}", f"{during.p99 / quiet.p99:.2f}")
    console.print(pages)


if __name__ == "__main__":
    main()
