"""Nights, and days on their feeds: does retraining every night make viewers more satisfied than feeds that learn less?

    python bench/days.py [--days 14] [--viewers 300] [--arms nightly,popularity,...]

A simulated world (jobs/sim) is lived for two weeks before there are feeds, and gets its first night. From there each
arm goes on in a copy of that home: every day viewers open the feeds that its platform serves and do what they do, new
videos are uploaded, and a night follows. The arms differ in what orders the feeds:

    exploring     the platform as it is: trained, judged and chosen anew every night, some slots filled by chance
    nightly       the same without such slots
    first_night   the model of the first night, for ever
    item_item     item-item alone
    popularity    what most viewers watched

The last three are promoted as `reelmill models promote` does it, before the first day, and their nights leave out
training and judging, so that nothing takes their place; candidates, features and feeds are as fresh as in the others.

Printed: how much viewers really like what they looked at (SimulatedWorld.liking: mean about 0, deviation about 1.5;
known to the simulator only), as a mean over views for each day and arm; over the last days the mean over viewers, and
the difference of each arm to the others with its interval of 95 % over viewers (bootstrap, paired: who opens the feed
when, and which slots are looked at, is the same in all arms). Then how often the creators were shown who are equal:
each of them uploads the same videos at nearly the same time, and nobody likes one more than another. Which of two equal
videos takes off is luck; the last column says how far luck alone goes. It asserts nothing.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from pyspark.sql import SparkSession
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from jobs.engine.lake import Lake
from jobs.engine.query import query, tables
from jobs.engine.runner import run_job
from jobs.engine.spark import session
from jobs.engine.window import window_for
from jobs.errors import ReelmillError
from jobs.pipeline import jobs_of
from jobs.ranking.intervals import Bootstrap, Interval
from jobs.ranking.orders import Order
from jobs.ranking.serving import promote
from jobs.ranking.sources.item_item import ITEM_ITEM
from jobs.ranking.sources.popularity import POPULARITY
from jobs.settings import Settings
from jobs.sim.behaviour import Sessions
from jobs.sim.plan import plan_of
from jobs.sim.simulate import live, simulate
from jobs.sim.world import SimulatedWorld, creator_id, lots

FIRST, BEFORE = date(2026, 1, 5), 14
# Two equal creators with half of all videos: which of two equal videos takes off is luck, and only many lots show more.
CREATORS, EQUALS = 40, 2
VIDEOS_A_DAY = 45
# Of whose tables no feed hangs on.
NO_FEED = {
    "ranking.similar",
    "features.creators",
    "features.user_creators",
    "features.user_hashtags",
    "features.materialise",
}
LEARNING = {"ranking.examples", "ranking.train"}
# Their checkpoints name files by where they lie, which a copied home has elsewhere; without them, nothing counts twice.
OF_FILES = ("media.ingest", "events.ingest")
LAST = 7
SEED = 1
# What counts as alike, and how often the creators are dealt anew.
ALIKE, DEALS = 1.2, 2000


class NoModel(ReelmillError):
    """The first night has trained no model, so that none can serve for ever."""


@dataclass
class Arm:
    """What orders the feeds, and what viewers of its home saw: of each slot that was shown, one entry."""

    name: str
    settings: Settings
    learns: bool
    day: list[NDArray[np.int64]] = field(default_factory=list)
    viewer: list[NDArray[np.int64]] = field(default_factory=list)
    video: list[NDArray[np.int64]] = field(default_factory=list)
    is_viewed: list[NDArray[np.bool_]] = field(default_factory=list)
    liking: list[NDArray[np.float64]] = field(default_factory=list)

    def saw(self, world: SimulatedWorld, group: Sessions) -> None:
        shape, viewer = group.video.shape, group.viewer[:, None]
        self.day.append(np.full(group.video.size, group.day))
        self.viewer.append(np.broadcast_to(viewer, shape).ravel())
        self.video.append(group.video.ravel())
        self.is_viewed.append(group.looked_at.ravel())
        self.liking.append(world.liking(group.day)[viewer, group.video].ravel())

    def by_day(self) -> dict[int, float]:
        """The mean over the views of each day."""
        day, viewed, liking = (np.concatenate(parts) for parts in (self.day, self.is_viewed, self.liking))
        return {int(d): float(liking[viewed & (day == d)].mean()) for d in np.unique(day)}

    def by_viewer(self, since: int, viewers: int) -> NDArray[np.float64]:
        """The mean of each viewer from a day on, NaN of who viewed nothing."""
        day, viewed, liking = (np.concatenate(parts) for parts in (self.day, self.is_viewed, self.liking))
        counted, viewer = viewed & np.greater_equal(day, since), np.concatenate(self.viewer)
        views = np.bincount(viewer[counted], minlength=viewers)
        sums = np.bincount(viewer[counted], liking[counted], minlength=viewers)
        return np.where(views > 0, sums / np.maximum(views, 1), np.nan)

    def exposure(self, world: SimulatedWorld) -> NDArray[np.int64]:
        """Lots x equal creators: how often the video of each was shown."""
        shown = np.bincount(np.concatenate(self.video), minlength=world.videos)
        by_creator = np.take_along_axis(lots(world), np.argsort(world.creator[lots(world)], axis=1), axis=1)
        return shown[by_creator]


def most_over_least(shown: NDArray[np.int64]) -> float:
    """Of what is shown of each lot (rows) and creator (columns), the most that a creator has over the least."""
    sums = shown.sum(axis=0)
    return float(sums.max() / max(sums.min(), 1))


def by_luck(shown: NDArray[np.int64]) -> float:
    """The same ratio, below which it is in 95 of 100 worlds where the creators of each lot are dealt anew.

    That is how the world was made: who made which video of a lot is a draw.
    """
    chance = np.random.default_rng(SEED)
    return float(np.percentile([most_over_least(chance.permuted(shown, axis=1)) for _ in range(DEALS)], 95))


def arms(home: Path, spark: SparkSession, night: date, names: Sequence[str]) -> list[Arm]:
    """The arms in copies of the home after its first night, whose feeds are made again by what each is to serve."""
    made = []
    for name in names:
        copy = Path(shutil.copytree(home, home.parent / name))
        for reader in OF_FILES:
            shutil.rmtree(copy / "checkpoints" / reader)
        explore = Settings.model_fields["explore"].default if name == "exploring" else 0.0
        arm = Arm(name, Settings(home=copy, explore=explore), name in ("exploring", "nightly"))
        if not arm.learns:
            promote(Lake(spark, arm.settings), _pinned(name, arm.settings), night, "for ever")
        for job in jobs_of("nightly"):
            if job.name in ("feeds.build", "feeds.publish"):
                run_job(job, window_for(job.every, night), spark, arm.settings)
        made.append(arm)
    return made


def _pinned(name: str, settings: Settings) -> str:
    if name == "first_night":
        models = query("SELECT model_version FROM gold.models ORDER BY model_version", settings)[1]
        if not models:
            raise NoModel("The first night has trained no model: take more --viewers.")
        return str(models[0][0])
    return Order({"item_item": ITEM_ITEM, "popularity": POPULARITY}[name]).version


def night_of(arm: Arm, spark: SparkSession, day: date) -> None:
    """The nightly pipeline, without what no feed hangs on; a promoted system's also without learning."""
    left_out = NO_FEED if arm.learns else NO_FEED | LEARNING
    for job in jobs_of("nightly"):
        if job.name not in left_out:
            run_job(job, window_for(job.every, day), spark, arm.settings, catch_up=True)


def differences(compared: Sequence[Arm], since: int, viewers: int) -> dict[tuple[str, str], Interval]:
    """Each arm less each other one, over the viewers who viewed something in all of them; and each arm less nothing."""
    figures = np.stack([arm.by_viewer(since, viewers) for arm in compared], axis=1)
    figures = figures[~np.isnan(figures).any(axis=1)]
    draws = Bootstrap(len(figures), SEED)
    found = {(arm.name, ""): one for arm, one in zip(compared, draws.means(figures), strict=True)}
    for row, one in enumerate(compared):
        others = draws.means(figures[:, [row]] - figures)
        found |= {(one.name, other.name): gap for other, gap in zip(compared, others, strict=True) if other is not one}
    return found


def served(settings: Settings) -> dict[str, int]:
    """What has ordered the feeds, and on how many nights."""
    return dict(
        query(
            "SELECT model_version, count(DISTINCT event_date) FROM gold.feeds GROUP BY ALL ORDER BY 2 DESC", settings
        )[1]
    )


def report(console: Console, compared: Sequence[Arm], world: SimulatedWorld, days: int) -> None:
    per_day = {arm.name: arm.by_day() for arm in compared}
    table = Table("day", *per_day, title="How much viewers like what they looked at, by day")
    for day in range(BEFORE, BEFORE + days):
        table.add_row(f"{FIRST + timedelta(days=day)}", *[f"{by_day[day]:+.3f}" for by_day in per_day.values()])
    console.print(table)

    last = min(LAST, days)
    found = differences(compared, BEFORE + days - last, world.viewers)
    table = Table("arm", "mean over viewers", *[f"less {arm.name}" for arm in compared], title=f"The last {last} days")
    for arm in compared:
        gaps = [found.get((arm.name, other.name)) for other in compared]
        table.add_row(arm.name, _told(found[arm.name, ""]), *[_told(gap) if gap else "" for gap in gaps])
    console.print(table)

    creators = world.fondness.shape[1]
    names = [creator_id(number) for number in range(creators - world.equals, creators)]
    columns = ("arm", *names, "most / least", "within 20 %", "by luck alone, in 95 of 100 worlds up to")
    table = Table(*columns, title="How often equal creators were shown")
    for arm in compared:
        shown = arm.exposure(world)
        ratio = most_over_least(shown)
        within = "yes" if ratio <= ALIKE else "no"
        table.add_row(arm.name, *map(str, shown.sum(axis=0)), f"{ratio:.3f}", within, f"{by_luck(shown):.3f}")
    console.print(table)
    for arm in compared:
        console.print(f"{arm.name}: served by {served(arm.settings)}; {_views(arm):,} views")
        if arm.settings.explore and any(table.name == "gold.explorations" for table in tables(arm.settings)):
            rows = query("SELECT count(*), avg(reward) FROM gold.explorations", arm.settings)[1]
            console.print(f"{arm.name}: gold.explorations has {rows[0][0]} rows, mean reward {rows[0][1]}")


def _told(interval: Interval) -> str:
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def _views(arm: Arm) -> int:
    return int(np.concatenate(arm.is_viewed).sum())


@click.command(help=__doc__)
@click.option("--days", default=14, show_default=True, type=click.IntRange(1))
@click.option("--viewers", default=300, show_default=True, type=click.IntRange(100))
@click.option("--arms", "names", default="exploring,nightly,first_night,item_item,popularity", show_default=True)
def main(days: int, viewers: int, names: str) -> None:
    console, started = Console(width=200), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "first"
        settings = Settings(home=home)
        simulate(
            settings, seed=SEED, viewers=viewers, creators=CREATORS, videos=VIDEOS_A_DAY * (BEFORE + days),
            days=BEFORE + days, first_day=FIRST, equals=EQUALS, logged_days=BEFORE, has_clips=False,
        )  # fmt: skip
        world, spark = plan_of(settings).world(), session(settings)
        first = FIRST + timedelta(days=BEFORE - 1)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
            task = bar.add_task("the first night", total=days * len(names.split(",")) + 1)
            night_of(Arm("first", settings, learns=True), spark, first)
            compared = arms(home, spark, first, names.split(","))
            bar.advance(task)
            for number in range(1, days + 1):
                day = first + timedelta(days=number)
                for arm in compared:
                    bar.update(task, description=f"{arm.name}, {day}")
                    lived = live(arm.settings)
                    for group in lived.sessions:
                        arm.saw(world, group)
                    night_of(arm, spark, day)
                    bar.advance(task)
                    mean = arm.by_day()[BEFORE - 1 + number]
                    console.print(f"{time.monotonic() - started:6.0f} s  {day}  {arm.name:<12} {mean:+.3f}")
        report(console, compared, world, days)
        console.print(f"{viewers} viewers, {days} days, in {time.monotonic() - started:.0f} s")
        spark.stop()


if __name__ == "__main__":
    sys.exit(main())
