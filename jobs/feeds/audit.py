"""What the feeds of a night show, and whom they leave out, beside what popularity would show the same viewers.

Belongs here: the measures of gold.feed_audit and how they are taken. What a ranker may not narrow before it serves:
jobs/ranking/guards.py. Pictures of it: jobs/evaluation/audit_page.py. Limits and what to do: the table's contract.

Popularity's lists are what the source `popular` proposed to the same viewers on the same night, in its order: what they
would have been shown without anything of ours. Feeds that narrow what is shown more than that are a fault.

Where arms are compared, each is measured besides, beside popularity's lists for its own viewers: how much is shown
hangs on how many people there are, so arms of different shares are compared by how each stands to popularity.

Slots are counted by video in Spark. What comes to this process is how many videos have so many slots, some thousands of
numbers, and a row for each creator, as for the guards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.frames import frame_of, rows_of
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.runs import has_run
from jobs.engine.window import Window
from jobs.media.status import published
from jobs.ranking.guard_facts import small_creators
from jobs.ranking.metrics import K
from jobs.ranking.sources.fresh import FRESH_VIEWERS
from jobs.ranking.sources.popular import POPULAR
from jobs.ranking.spacing import SLOTS

FEEDS, CANDIDATES, VIDEOS, COUNTS, AUDIT = (
    "gold.feeds", "gold.candidates", "silver.videos", "gold.video_daily", "gold.feed_audit",
)  # fmt: skip
# Of each feed the first slots, which most people see, and all of them.
DEPTHS = (K, SLOTS)
SERVED, POPULARITY = "served", "popularity"
# Whose feeds are measured: everybody's, or those of an arm, which has a name.
EVERYBODY: Final = ""
DECIMALS = 6


@dataclass(frozen=True)
class Measure:
    """What is measured, in words, and whether more of it is better; None where neither is."""

    words: str
    more_is_better: bool | None


MEASURES: Final[Mapping[str, Measure]] = {
    "coverage": Measure("published videos that stand in any feed", True),
    "creator_coverage": Measure("creators of whom any feed has a video", True),
    "gini": Measure("inequality of slots over published videos (Gini: 0 all alike, 1 one has all)", False),
    "top_tenth_share": Measure("slots that the most shown tenth of published videos has", False),
    "new_share": Measure("slots of videos that few have watched", True),
    "small_creator_share": Measure("slots of the creators who share the last fifth of all views", True),
    "small_creator_parity": Measure("the same over the share of published videos that are theirs (1 is equal)", True),
    "creators_per_slot": Measure("different creators in a feed over its slots, mean of feeds", True),
    "chance_share": Measure("slots that chance has filled", None),
}


@dataclass(frozen=True)
class Shown:
    """What the first slots of all lists of a system show.

    `slots` holds numbers of slots, and `videos` how many videos have each; `new` and `small` how many slots are of new
    videos and of small creators, `by_chance` those that chance has filled.
    """

    slots: NDArray[np.int64]
    videos: NDArray[np.int64]
    new: int
    small: int
    by_chance: int
    creators: int
    creators_per_slot: float


@dataclass(frozen=True)
class Published:
    """How many videos are published, how many of them are of small creators, and how many creators they have."""

    videos: int
    small: int
    creators: int


def measures(shown: Shown, known: Published) -> dict[str, float | None]:
    """One number for each of MEASURES; None of small creators where nothing was ever watched."""
    total = int(shown.slots @ shown.videos)
    small = shown.small / total if known.small else None
    return {
        "coverage": int(shown.videos.sum()) / known.videos,
        "creator_coverage": shown.creators / known.creators,
        "gini": gini(shown.slots, shown.videos, known.videos),
        "top_tenth_share": top_share(shown.slots, shown.videos, known.videos / 10),
        "new_share": shown.new / total,
        "small_creator_share": small,
        "small_creator_parity": None if small is None else small / (known.small / known.videos),
        "creators_per_slot": shown.creators_per_slot,
        "chance_share": shown.by_chance / total,
    }


def gini(slots: NDArray[np.int64], videos: NDArray[np.int64], every: int) -> float:
    """The Gini coefficient of slots over `every` video, of which `videos` have so many `slots` each and others none.

    The mean difference of two videos over twice the mean (Gini, "Variabilità e mutabilità", 1912).
    """
    order = np.argsort(slots)
    counts, groups = slots[order].astype(np.float64), videos[order].astype(np.float64)
    after = every - groups.sum() + np.cumsum(groups)
    # Of each group the sum of its places, from 1, in the order of slots.
    places = groups * (2 * after - groups + 1) / 2
    return float(2 * (counts @ places) / (every * (counts @ groups)) - (every + 1) / every)


def top_share(slots: NDArray[np.int64], videos: NDArray[np.int64], most_shown: float) -> float:
    """The share of all slots that so many of the most shown videos have."""
    order = np.argsort(-slots)
    counts, groups = slots[order].astype(np.float64), videos[order].astype(np.float64)
    taken = np.clip(most_shown - (np.cumsum(groups) - groups), 0, groups)
    return float(counts @ taken / (counts @ groups))


def behind(name: str, value: float | None, popularity: float | None) -> float | None:
    """How much worse than popularity's lists, as a share of their figure; 0 where it is not."""
    better = MEASURES[name].more_is_better
    if better is None or value is None or not popularity:
        return None
    return max(0.0, (popularity - value if better else value - popularity) / popularity)


def rows(served: Shown, popular: Shown | None, known: Published, depth: int) -> list[dict[str, Any]]:
    """The measures of one depth as rows of gold.feed_audit, which say not yet of which feeds they are."""
    own, theirs = measures(served, known), measures(popular, known) if popular else {}
    return [
        {
            "metric": f"{name}@{depth}",
            "value": round(value, DECIMALS),
            "popularity": _rounded(theirs.get(name)),
            "behind_popularity": _rounded(behind(name, value, theirs.get(name))),
        }
        for name, value in own.items()
        if value is not None
    ]


def lists(feeds: DataFrame, candidates: DataFrame) -> DataFrame:
    """Slots of the feeds and of popularity's lists for the same viewers.

    Columns: system, arm (EVERYBODY where nothing is compared), user_id, video_id, depth, is_drawn. A slot has a row for
    each of DEPTHS that it is within.
    """
    made = feeds.withColumn("arm", F.coalesce("feed_arm", F.lit(EVERYBODY)))
    served = made.select(
        F.lit(SERVED).alias("system"), "arm", "user_id", "video_id", "position", F.col("propensity").isNotNull()
    )
    own = made.select("user_id", "arm").distinct()
    popular = candidates.where((F.col("source") == POPULAR.name) & (F.col("rank") <= SLOTS))
    theirs = popular.join(own, on="user_id", how="inner").select(
        F.lit(POPULARITY), "arm", "user_id", "video_id", F.col("rank") - 1, F.lit(False)
    )
    every = served.union(theirs).toDF("system", "arm", "user_id", "video_id", "position", "is_drawn")
    depths = F.array(*map(F.lit, DEPTHS))
    return every.select("*", F.explode(F.filter(depths, lambda d: d > F.col("position"))).alias("depth"))


def catalogue(videos: DataFrame, counts: DataFrame) -> DataFrame:
    """Published videos as video_id, creator, is_new and `views` ever; `counts` has a row of gold.video_daily each."""
    known = counts.select("video_id", "viewers_total", "views_total")
    return (
        published(videos)
        .join(known, on="video_id", how="left")
        .select(
            "video_id",
            F.col("user_id").alias("creator"),
            (F.coalesce("viewers_total", F.lit(0)) < FRESH_VIEWERS).alias("is_new"),
            F.coalesce("views_total", F.lit(0)).alias("views"),
        )
    )


def audit(feeds: DataFrame, candidates: DataFrame, known: DataFrame, night: date) -> list[dict[str, Any]]:
    """The rows of gold.feed_audit: `feeds` and `candidates` of one night, `known` as from `catalogue`.

    None where nobody has a feed.
    """
    first = feeds.select("feed_version", "comparison", "policy_version").first()
    if first is None:
        return []
    policies = {EVERYBODY: first.policy_version} if first.comparison is None else policies_of_arms(feeds)
    of_creators = known.groupBy("creator").agg(F.sum("views").alias("views"), F.count("*").alias("videos")).collect()
    views = {row.creator: row.views for row in of_creators}
    small = small_creators({creator: creator for creator in views}, views)
    there = Published(
        videos=sum(row.videos for row in of_creators),
        small=sum(row.videos for row in of_creators if row.creator in small),
        creators=len(of_creators),
    )
    marks = frame_of(known.sparkSession, "creator string, is_small boolean", [(creator, True) for creator in small])
    is_compared = first.comparison is not None
    found = _shown(lists(feeds, candidates), known.join(marks, on="creator", how="left"), is_compared)
    return [
        {
            "event_date": night,
            "feed_version": first.feed_version,
            "comparison": first.comparison if arm else None,
            "feed_arm": arm or None,
            "policy_version": policy_version,
            **row,
        }
        for arm, policy_version in policies.items()
        for depth in DEPTHS
        if (SERVED, arm, depth) in found
        for row in rows(found[SERVED, arm, depth], found.get((POPULARITY, arm, depth)), there, depth)
    ]


def policies_of_arms(feeds: DataFrame) -> dict[str, str | None]:
    """By arm the policy of its feeds; that of EVERYBODY, which comes first, is None where arms have different ones."""
    of_arms = {
        row.feed_arm: row.policy_version for row in feeds.select("feed_arm", "policy_version").distinct().collect()
    }
    of_all = set(of_arms.values())
    return {EVERYBODY: of_all.pop() if len(of_all) == 1 else None, **dict(sorted(of_arms.items()))}


def _shown(slots: DataFrame, known: DataFrame, is_compared: bool) -> dict[tuple[str, str, int], Shown]:
    """By system, arm and depth, of the lists that have a slot; where arms are compared, of EVERYBODY besides."""
    # As when feeds are built, each task has the catalogue: slots are a hundred times as many as videos.
    full = slots.join(F.broadcast(known.drop("views")), on="video_id", how="inner")
    which = ["system", "arm", "depth"]
    video = [*which, "video_id", "creator", "is_new", "is_small"]
    by_video = full.groupBy(*video).agg(
        F.count("*").alias("slots"), F.sum(F.col("is_drawn").cast("int")).alias("drawn")
    )
    of_feed = full.groupBy(*which, "user_id").agg((F.countDistinct("creator") / F.count("*")).alias("share"))
    if is_compared:
        # After slots have become counts: they are not counted twice.
        sums = [F.sum(name).alias(name) for name in ("slots", "drawn")]
        by_video, of_feed = _and_everybody(by_video).groupBy(*video).agg(*sums), _and_everybody(of_feed)
    spread = by_video.groupBy(*which, "slots").agg(
        F.count("*").alias("videos"),
        *[F.sum(F.when(F.col(flag), F.col("slots")).otherwise(0)).alias(flag) for flag in ("is_new", "is_small")],
        F.sum("drawn").alias("drawn"),
    )
    creators = by_video.groupBy(*which).agg(F.countDistinct("creator").alias("creators"))
    means = of_feed.groupBy(*which).agg(F.avg("share").alias("share"))
    also = {(r.system, r.arm, r.depth): r for r in creators.join(means, on=which).collect()}
    numbers = spread.orderBy("slots").collect()
    return {
        key: Shown(
            slots=_column(own, "slots"),
            videos=_column(own, "videos"),
            new=int(_column(own, "is_new").sum()),
            small=int(_column(own, "is_small").sum()),
            by_chance=int(_column(own, "drawn").sum()),
            creators=of.creators,
            creators_per_slot=of.share,
        )
        for key, of in also.items()
        if (own := [r for r in numbers if (r.system, r.arm, r.depth) == key])
    }


def _and_everybody(counts: DataFrame) -> DataFrame:
    """Each row of an arm, and once more as one of EVERYBODY."""
    return counts.withColumn("arm", F.explode(F.array("arm", F.lit(EVERYBODY))))


def _column(numbers: Iterable[Any], name: str) -> NDArray[np.int64]:
    return np.array([row[name] for row in numbers], dtype=np.int64)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)


@job(every="night", reads=[FEEDS, CANDIDATES, VIDEOS, COUNTS], writes=[AUDIT])
def run(lake: Lake, window: Window) -> None:
    feeds = lake.of(FEEDS, window)
    # A video's counts hold until its next row.
    counts = lake.newest(COUNTS, by=["video_id"], until=window.end)
    known = catalogue(lake.read(VIDEOS, until=window.end), counts)
    found = audit(feeds, lake.of(CANDIDATES, window), known, window.day)
    # A night in which nobody has a feed has nothing to audit.
    is_fact = has_run("feeds.build", window, lake.settings)
    lake.replace(AUDIT, rows_of(lake.spark, AUDIT, found), window, empty_is_a_fact=is_fact)
