"""How well what rises is found, at once and nothing else, beside three plain ways in the same run.

Belongs here: the measurement on a made world. It prints and asserts nothing. On real counts: trending_panel.py. The
job: jobs/features/trending.py.

    python bench/trending.py [--seed 1]

A month of a made world: 4,000 viewers of eight communities, some 1,500 videos whose popularity wanders by the day, new
ones every day, days and weeks with their ups and downs. In its last two days there rise, for some hours each, old
videos, new ones and hashtags (none of whose videos rises much by itself); and two rings of accounts push videos of one
creator each, one of old accounts that also watch like others and did the same two days before, one of new accounts.
Most of what people watch otherwise comes by a feed. The hourly tables and the lists of all 48 hours are made by the
jobs. A list is right about what rises from the hour in which it begins to LINGERS hours after it ends. The plain ways
list, by the same hourly tables, as many each hour as ours: by viewers in the hour, by how many more than in the hour
before, and by standard deviations above the id's own mean of the month at that hour of the day.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import duckdb
import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

import data_contracts
from jobs.engine.lake import Lake
from jobs.engine.spark import session
from jobs.engine.window import EPOCH, HOUR, Window
from jobs.evaluation.meter import measured
from jobs.features import hourly_hashtags, hourly_sounds, hourly_videos
from jobs.features import trending as trends
from jobs.settings import Settings

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
DAYS, JUDGED_H, LINGERS = 30, 48, 12
HOURS = DAYS * 24
VIEWERS, COMMUNITIES, OLD, NEW_A_DAY, TOPICS = 4_000, 8, 1_000, 17, 2_000
WATCHES_A_DAY, BY_FEED = 10_000, 0.7
# How many people an hour come to what rises, and for how many hours.
PEOPLE, LASTS = (12, 60), (3, 8)
RISING = {"old": 14, "new": 10, "hashtags": 8}
RING, PUSHED = 60, 4


@dataclass
class Planted:
    """What rises: from which hour on, and until which."""

    kind: str
    id: str
    sort: str
    first: int
    last: int


@dataclass
class World:
    """A drawn world, as columns: watches (viewer, video, hour, by a feed), videos, and what was planted in it."""

    creator: np.ndarray
    published: np.ndarray
    tags: list[list[str]]
    watches: list[tuple[np.ndarray, ...]] = field(default_factory=list)
    planted: list[Planted] = field(default_factory=list)
    pushed: list[Planted] = field(default_factory=list)

    def watch(
        self, viewers: np.ndarray, video: np.ndarray | int, hour: int, by_feed: np.ndarray | bool = False
    ) -> None:
        n = len(viewers)
        self.watches.append((viewers, *(np.broadcast_to(each, n) for each in (video, hour, by_feed))))


def draw(seed: int) -> World:
    """The world of a seed."""
    dice = np.random.default_rng(seed)
    begin_of_judged = HOURS - JUDGED_H
    born = np.concatenate(
        [np.full(OLD, -1), np.repeat(np.arange(DAYS), NEW_A_DAY) * 24 + dice.integers(0, 24, DAYS * NEW_A_DAY)]
    )
    n = len(born)
    community = dice.integers(0, COMMUNITIES, n)
    known = 1 / np.arange(1, TOPICS + 1)
    topics = dice.choice(TOPICS, (n, 2), p=known / known.sum())
    tags = [[f"c{community[v]}", *{f"t{t}" for t in topics[v, : dice.integers(0, 3)]}] for v in range(n)]
    world = World(dice.integers(0, 300, n), born, tags)
    _ordinary(world, dice, community)
    at = iter(dice.permutation(np.arange(begin_of_judged, HOURS - 8).repeat(4)))
    old = iter(dice.permutation(np.flatnonzero(born < begin_of_judged - 72)))
    for sort, count in RISING.items():
        for _ in range(count):
            first, hours, people = int(next(at)), int(dice.integers(*LASTS)), int(dice.integers(*PEOPLE))
            if sort == "hashtags":
                _hashtag(world, dice, first, hours, people, old)
            else:
                video = int(next(old)) if sort == "old" else _publish(world, dice, first)
                world.planted.append(Planted("videos", f"v{video}", sort, first, first + hours - 1))
                # Its hashtags rise with it, by right.
                world.planted += [Planted("hashtags", tag, "", first, first + hours - 1) for tag in world.tags[video]]
                for hour in range(first, first + hours):
                    world.watch(dice.choice(VIEWERS, dice.poisson(people), replace=False), video, hour)
    _rings(world, dice, at)
    return world


def _ordinary(world: World, dice: np.random.Generator, community: np.ndarray) -> None:
    """What people watch: of their community mostly, more what is popular and what is new, by day and by week."""
    n = len(world.published)
    popular = dice.lognormal(0, 1.2, n)
    taste, eager = dice.integers(0, COMMUNITIES, VIEWERS), dice.lognormal(0, 1, VIEWERS)
    for hour in range(HOURS):
        if hour % 24 == 0:
            popular *= np.exp(dice.normal(0, 0.2, n))
        age = hour - world.published
        alive = np.where(
            age >= 0, popular * np.where(world.published < 0, 1, 1 + 4 * np.exp(-np.maximum(age, 0) / 24)), 0
        )
        busy = (1 + 0.8 * np.sin((hour % 24 - 10) / 24 * 2 * np.pi)) * (1.3 if hour // 24 % 7 >= 5 else 1)
        viewers = dice.choice(VIEWERS, dice.poisson(WATCHES_A_DAY / 24 * busy), p=eager / eager.sum())
        own = dice.random(len(viewers)) < 0.7
        videos = dice.choice(n, len(viewers), p=alive / alive.sum())
        for group in range(COMMUNITIES):
            theirs = np.flatnonzero(own & (taste[viewers] == group))
            weight = alive * (community == group)
            videos[theirs] = dice.choice(n, len(theirs), p=weight / weight.sum())
        world.watch(viewers, videos, hour, dice.random(len(viewers)) < BY_FEED)


def _publish(
    world: World, dice: np.random.Generator, hour: int, tags: list[str] | None = None, creator: int | None = None
) -> int:
    world.creator = np.append(world.creator, dice.integers(0, 300) if creator is None else creator)
    world.published = np.append(world.published, hour)
    world.tags.append(tags or [f"c{dice.integers(0, COMMUNITIES)}"])
    return len(world.published) - 1


def _hashtag(world: World, dice: np.random.Generator, first: int, hours: int, people: int, old: object) -> None:
    """A challenge: a dozen creators publish under a new hashtag, and people watch them all a little."""
    tag = f"rise{len(world.published)}"
    videos = np.array([_publish(world, dice, first, [tag]) for _ in range(12)])
    world.planted.append(Planted("hashtags", tag, "hashtags", first, first + hours - 1))
    # One of its videos that many come to rises by right.
    world.planted += [Planted("videos", f"v{v}", "", first, first + hours - 1) for v in videos]
    for hour in range(first, first + hours):
        crowd = dice.choice(VIEWERS, dice.poisson(people), replace=False)
        world.watch(crowd, dice.choice(videos, len(crowd)), hour)


def _rings(world: World, dice: np.random.Generator, at: object) -> None:
    before = dice.choice(VIEWERS, RING, replace=False)
    fresh = np.arange(VIEWERS, VIEWERS + RING)
    for accounts, creator, days_before in ((before, 301, (0, 48)), (fresh, 302, (0,))):
        first = int(next(at))  # type: ignore[call-overload]
        for earlier in days_before:
            for video in [_publish(world, dice, first - earlier - 24, creator=creator) for _ in range(PUSHED)]:
                world.pushed.append(Planted("videos", f"v{video}", "ring", first - earlier, first - earlier + 4))
                for hour in range(first - earlier, first - earlier + 4):
                    world.watch(dice.choice(accounts, RING // 2, replace=False), video, hour)


def fill(lake: Lake, world: World, seed: int) -> None:
    """silver.videos and silver.watches of the world, without the checks: these are measured elsewhere."""
    spark = lake.spark
    viewers, videos, hours, by_feed = (np.concatenate(column) for column in zip(*world.watches, strict=True))
    seconds = hours * 3600 + np.random.default_rng(seed).integers(0, 3600, len(hours))
    watches = pa.table({"u": viewers, "v": videos, "s": seconds + int(BEGIN.timestamp()), "f": by_feed})
    _write(lake, "silver.watches", spark.createDataFrame(watches), {
        "user_id": "concat('u', u)", "video_id": "concat('v', v)", "started_at": "timestamp_seconds(s)",
        "watch_ms": "9000", "feed_version": "if(f, 'feed', NULL)", "share_watched": "0.9", "is_finished": "true",
    })  # fmt: skip
    made = pa.table({
        "v": np.arange(len(world.creator)), "c": world.creator, "tags": world.tags,
        "s": world.published * 3600 + int(BEGIN.timestamp()),
    })  # fmt: skip
    _write(lake, "silver.videos", spark.createDataFrame(made), {
        "video_id": "concat('v', v)", "user_id": "concat('maker', c)", "title": "'t'", "hashtags": "tags",
        "status": "'published'", "source": "'sim'", "published_at": "timestamp_seconds(s)", "duration_ms": "10000",
    })  # fmt: skip
    # No video uses a sound: of sounds nothing is planted, and nothing judged.
    lake.create("bronze.uploads")


def _write(lake: Lake, table: str, rows: DataFrame, columns: dict[str, str]) -> None:
    described = data_contracts.load(table).columns
    none = {c.name: "false" if c.type == "boolean" else "NULL" for c in described}
    made = [F.expr((none | columns)[c.name]).cast(c.type).alias(c.name) for c in described]
    lake.merge(table, rows.select(*made).dropDuplicates(list(data_contracts.load(table).key)))


PLAIN = {
    "viewers in the hour": "viewers",
    "more than in the hour before": "velocity",
    "deviations from the own mean": "(viewers - coalesce(mean, 0)) / greatest(coalesce(sd, 0), 1)",
}
PLAINLY = """
WITH usual AS (
    SELECT id, h % 24 AS part, sum(viewers) / {days} AS mean,
        sqrt(greatest(sum(viewers ** 2) / {days} - (sum(viewers) / {days}) ** 2, 0)) AS sd
    FROM hourly WHERE h < {judged} GROUP BY ALL
)
SELECT h, hourly.id FROM hourly JOIN wanted USING (h) LEFT JOIN usual ON usual.id = hourly.id AND part = h % 24
QUALIFY row_number() OVER (PARTITION BY h ORDER BY {by} DESC, hourly.id) <= wanted.n
"""


def plainly(hourly: pa.Table, wanted: pa.Table, by: str) -> set[tuple[int, str]]:
    """What a plain way lists, as many each hour as wanted."""
    with duckdb.connect() as con:
        con.register("hourly", hourly)
        con.register("wanted", wanted)
        found = con.execute(PLAINLY.format(days=DAYS - JUDGED_H // 24, judged=HOURS - JUDGED_H, by=by)).fetchall()
    return {(hour, id) for hour, id in found}


@dataclass(frozen=True)
class Judged:
    """At once and an hour later, the shares of what rises that is listed; of what is listed, the share that does."""

    at_once: float
    after_one: float
    precision: float
    listed: int
    pushed: int


def judge(listed: set[tuple[int, str]], world: World, kind: str) -> Judged:
    """What the lists of a kind are worth."""
    asked = [p for p in world.planted if p.kind == kind and p.sort]
    right = {(h, p.id) for p in world.planted if p.kind == kind for h in range(p.first, p.last + LINGERS + 1)}
    ring = {(h, p.id) for p in world.pushed if p.kind == kind for h in range(p.first, p.last + LINGERS + 1)}
    at_once = sum((p.first, p.id) in listed for p in asked)
    after = sum((p.first, p.id) in listed or (p.first + 1, p.id) in listed for p in asked)
    return Judged(
        at_once / len(asked), after / len(asked), len(listed & right) / max(len(listed), 1), len(listed),
        len({id for _, id in listed & ring}),
    )  # fmt: skip


def hourly_of(lake: Lake, kind: trends.Kind) -> pa.Table:
    start = int((BEGIN - EPOCH) / HOUR)
    rows = lake.read(kind.counts).select(
        F.col(kind.id).alias("id"),
        (F.floor(F.unix_seconds("hour_start") / 3600) - start).alias("h"),
        "viewers",
        "velocity",
    )
    return rows.toArrow()


@click.command(help=__doc__)
@click.option("--seed", default=1, show_default=True, help="of the world that is drawn")
@click.option("--missed", is_flag=True, help="name what was not found, and what was found without being there")
def main(seed: int, missed: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="reelmill-bench-") as folder:
        settings = Settings(home=Path(folder), spark_master="local[2]")
        spark = session(settings, "bench")
        try:
            _run(spark, settings, seed, missed)
        finally:
            spark.stop()


def _run(spark: SparkSession, settings: Settings, seed: int, missed: bool) -> None:
    world, lake = draw(seed), Lake(spark, settings)
    fill(lake, world, seed)
    end = BEGIN + timedelta(days=DAYS)
    judged = Window(end - JUDGED_H * HOUR, end)
    for job in (hourly_videos.run, hourly_hashtags.run, hourly_sounds.run):
        job(lake, Window(BEGIN, end))
    with measured() as all_hours:
        trends.run(lake, judged)
    listed = {
        (row.kind, (row.at - int((BEGIN - EPOCH) / HOUR)), row.id): row
        for row in lake.read(trends.TRENDING).withColumn("at", F.expr("unix_seconds(hour_start) div 3600")).collect()
    }
    with measured() as one_hour:
        trends.run(lake, Window(end - HOUR, end))
    table = Table(title=f"seed {seed}: {sum(len(v) for v, *_ in world.watches):,} watches, {JUDGED_H} hours judged")
    for column in ("kind", "way", "recall at once", "after an hour", "precision", "listed", "pushed by rings"):
        table.add_column(column, justify="left" if column in ("kind", "way") else "right")
    planted = {p.kind for p in world.planted}
    for kind in (kind for kind in trends.KINDS if kind.name in planted):
        ours = {(hour, id) for of, hour, id in listed if of == kind.name}
        per_hour = np.bincount([hour for hour, _ in ours], minlength=HOURS)
        wanted = pa.table({"h": np.arange(HOURS), "n": per_hour}).slice(HOURS - JUDGED_H)
        hourly = hourly_of(lake, kind)
        ways = {"reelmill": ours} | {way: plainly(hourly, wanted, by) for way, by in PLAIN.items()}
        for way, found in ways.items():
            j = judge(found, world, kind.name)
            table.add_row(
                kind.name,
                way,
                f"{j.at_once:.3f}",
                f"{j.after_one:.3f}",
                f"{j.precision:.3f}",
                str(j.listed),
                str(j.pushed),
            )
    table.caption = f"the 48 hours at once {all_hours.seconds:.0f} s, one hour {one_hour.seconds:.1f} s"
    Console().print(table)
    if missed:
        _tell(listed, world)


def _tell(listed: dict[tuple[str, int, str], Row], world: World) -> None:
    for p in world.planted:
        if p.sort and (p.kind, p.first, p.id) not in listed:
            print("missed", p, [h - p.first for k, h, i in listed if (k, i) == (p.kind, p.id)])
    right = {(p.kind, h, p.id) for p in world.planted for h in range(p.first, p.last + LINGERS + 1)}
    for key, row in sorted(listed.items()):
        if key not in right:
            print(
                "wrong",
                key,
                row.score,
                row.lately,
                row.expected,
                row.people,
                row.not_counted,
                row.reason,
                any(p.id == row.id for p in world.pushed),
            )


if __name__ == "__main__":
    main()
