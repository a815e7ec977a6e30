"""Hands tonight's feeds to the endpoint: every viewer's, one for strangers, and the card of each video.

Belongs here: from tables to the slots that clients read, and which night is served. The keys in Redis and the switch to
a new version: serving/feed_store/. Cards: jobs/media/cards.py. The order of a feed: build.py.

A night's order is what it was; whether a video may be shown is asked of the tables as they are now, since a video may
have been withdrawn, or refused by this viewer, after the night's feeds were built.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.runs import has_run
from jobs.engine.window import Window
from jobs.errors import ReelmillError
from jobs.host.redis_server import redis_url
from jobs.media.cards import cards, hand_over_cards
from jobs.ranking.refused import refusals
from jobs.ranking.sources.fresh import FRESH_VIEWERS, NEW_HERE
from jobs.ranking.sources.popular import EVER_D, WINDOWS
from jobs.ranking.spacing import SLOTS
from jobs.settings import Settings
from serving.feed_store.layout import night_of, version_of
from serving.feed_store.shapes import Slot, Video

# The order for strangers: most viewers in the last 28 days, then ever. Every FRESH_EVERY-th slot is for a new video:
# by popularity alone none would ever be seen.
POPULARITY = ("viewers_28d", "viewers_total")
FRESH_EVERY = 5
SLOT = tuple(Slot.model_fields)
# What a slot says of its video, in the words of its card.
OF_VIDEO = tuple(name for name in SLOT if name in Video.model_fields)
FALLBACK = "fallback"
_log = logging.getLogger(__name__)


class NoFeeds(ReelmillError):
    """There is nothing to publish for the night."""


class NightNotHeld(ReelmillError):
    """Redis holds no feeds of the night any more."""


def slots(feeds: DataFrame, videos: DataFrame, refused: DataFrame) -> DataFrame:
    """One row per viewer: user_id and `slots`, an array of SLOT in order; `videos` as from `cards`.

    Without what is published no more, what the viewer refused (user_id, video_id) or made; the others close ranks.
    """
    card = videos.select(*OF_VIDEO).withColumnRenamed("user_id", "creator")
    in_order = Over.partitionBy("user_id").orderBy("position")
    full = (
        feeds.join(card, on="video_id", how="inner")
        .where("user_id <> creator")
        .join(refused, on=["user_id", "video_id"], how="left_anti")
        .withColumn("position", F.row_number().over(in_order) - 1)
    )
    # The first field sorts.
    slot = F.struct(
        F.col("position").alias("order"),
        *[F.col("creator").alias("user_id") if c == "user_id" else F.col(c) for c in SLOT],
    )
    return full.groupBy(F.col("user_id").alias("viewer")).agg(F.sort_array(F.collect_list(slot)).alias("slots"))


def fallback(videos: DataFrame, counts: DataFrame) -> DataFrame:
    """The feed for strangers, rows of SLOT by position: what most watched lately, then ever, then the newest.

    Every FRESH_EVERY-th slot has a new video that few have seen, of another creator each as far as there are.
    """
    popular = Over.orderBy(
        *[F.coalesce(c, F.lit(0)).desc() for c in POPULARITY], F.col("published_at").desc(), "video_id"
    )
    of_creator = Over.partitionBy("user_id", "is_fresh").orderBy(F.col("published_at").desc(), "video_id")
    fresh = Over.partitionBy("is_fresh").orderBy("turn", F.col("published_at").desc(), "video_id")
    best = Over.orderBy("place", "video_id")
    return (
        videos.join(counts.select("video_id", *POPULARITY), on="video_id", how="left")
        .withColumn("is_fresh", F.coalesce("viewers_total", F.lit(0)) < FRESH_VIEWERS)
        .withColumn("turn", F.row_number().over(of_creator))
        .withColumn("by_popularity", F.row_number().over(popular))
        # The popular ones fill the places between those of the fresh ones.
        .withColumn("by_popularity", F.expr(f"by_popularity + (by_popularity - 1) DIV {FRESH_EVERY - 1}"))
        .withColumn("by_freshness", F.when(F.col("is_fresh"), F.row_number().over(fresh) * FRESH_EVERY))
        .withColumn("place", F.least("by_popularity", "by_freshness"))
        .withColumn("position", F.row_number().over(best) - 1)
        .where(F.col("position") < SLOTS)
        .withColumn("score", F.coalesce("viewers_28d", F.lit(0)).cast("double"))
        .withColumn("propensity", F.lit(None).cast("double"))
        .withColumn(
            "reason",
            F.when(F.col("by_freshness") < F.col("by_popularity"), NEW_HERE)
            .when(F.col("viewers_28d") > 0, WINDOWS[28])
            .when(F.col("viewers_total") > 0, WINDOWS[EVER_D])
            .otherwise(NEW_HERE),
        )
        .orderBy("position")
        .select(*SLOT)
    )


def nobodys(lake: Lake, window: Window) -> str:
    """The version of a night in which nobody has a feed of their own: nobody watched yet, or all watched everything.

    Then everybody gets the fallback. Raises NoFeeds unless that is what feeds.build found that night.
    """
    if not has_run("feeds.build", window, lake.settings):
        raise NoFeeds(
            f"gold.feeds has no row for {window.day}, so nothing is published and readers keep the feeds they have. "
            f"Run it first: reelmill run feeds.build --date {window.day}"
        )
    if not lake.read("gold.feeds").isEmpty() and lake.read("silver.watches", until=window.end).isEmpty():
        raise NoFeeds(
            f"silver.watches has no row before {window.end:%Y-%m-%d %H:%M}, but there were feeds before: the watches "
            "are lost, so nothing is published and readers keep the feeds they have."
        )
    return version_of(window.day, FALLBACK)


def publish(lake: Lake, window: Window, *, back: bool = False) -> None:
    """Publish the night's feeds; those of an earlier night than the current one only to go `back` to them."""
    from serving.feed_store.writer import FeedStore

    feeds = lake.of("gold.feeds", window)
    found = feeds.agg(F.max("feed_version").alias("version")).first()
    version = (found and found["version"]) or nobodys(lake, window)
    # A video's counts hold until its next row.
    counts = lake.newest("gold.video_daily", by=["video_id"], until=window.end)
    videos = cards(lake.read("silver.videos"), counts).persist()
    refused = refusals(lake.read("bronze.events"))
    own = slots(feeds, videos, refused).persist()
    try:
        if videos.isEmpty():
            return
        with redis_url(lake.settings) as url, FeedStore(url) as store:
            if store.is_older(version) and not back:
                _log.warning(
                    "The feeds of %s are not published: a newer night is. To serve them all the same: "
                    "reelmill feeds publish --night %s", window.day, window.day,
                )  # fmt: skip
                return

            # By their own connection from each task: a night's feeds never pass through one process.
            def write_feeds(rows: Iterator[Row]) -> None:
                with FeedStore(url) as store:
                    store.write_feeds(version, ((row["viewer"], _plain(row["slots"])) for row in rows))

            # The feed for strangers is made with nobody in mind: the endpoint leaves out what each of them refused.
            def write_refused(rows: Iterator[Row]) -> None:
                with FeedStore(url) as store:
                    store.refuse((row["user_id"], row["video_id"]) for row in rows)

            strangers = refused.join(own, on=refused["user_id"] == own["viewer"], how="left_anti")
            store.begin(version)
            strangers.foreachPartition(write_refused)
            hand_over_cards(videos, url, window.day)
            own.foreachPartition(write_feeds)
            store.write_fallback(version, [row.asDict(recursive=True) for row in fallback(videos, counts).collect()])
            store.commit(version, own.count(), back=back)
    finally:
        own.unpersist()
        videos.unpersist()


def publish_again(lake: Lake, window: Window) -> None:
    """Publish a night because somebody asked for it, whichever is current."""
    publish(lake, window, back=True)


def rollback(settings: Settings, night: date) -> str:
    """Serve the feeds of a night that Redis still holds, as they were; returns their version. Raises NightNotHeld."""
    from serving.feed_store.writer import FeedStore

    with redis_url(settings) as url, FeedStore(url) as store:
        held = store.versions()
        ours = [version for version in held if night_of(version) == night]
        if not ours:
            nights = ", ".join(sorted({str(night_of(version)) for version in held})) or "none"
            raise NightNotHeld(
                f"The feeds of {night} are not held any more (held: {nights}). Publish them again from the tables: "
                f"reelmill feeds publish --night {night}"
            )
        store.rollback(ours[-1])
        return ours[-1]


@job(
    every="night",
    reads=["gold.feeds", "silver.videos", "silver.watches", "bronze.events", "gold.video_daily"],
    writes=[],
)
def run(lake: Lake, window: Window) -> None:
    """On a platform without a published video there is nothing to show to anybody, and nothing is published."""
    publish(lake, window)


def _plain(slots_of_viewer: list[Row]) -> list[dict[str, Any]]:
    plain = [slot.asDict(recursive=True) for slot in slots_of_viewer]
    return [{name: slot[name] for name in SLOT} for slot in plain]
