"""Hands tonight's feeds to the endpoint: every viewer's, one for strangers, and the card of each video.

Belongs here: from tables to the slots that clients read, and which night is served. The keys in Redis and the switch to
a new version: serving/feed_store/. The feed for strangers: strangers.py. Cards: jobs/media/cards.py. The order of a
feed: build.py.

A night's order is what it was; whether a video may be shown is asked of the tables as they are now, since a video may
have been withdrawn, or refused by this viewer, after the night's feeds were built.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from jobs.engine.batches import whole_groups
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.runs import has_run
from jobs.engine.window import Window
from jobs.errors import ReelmillError
from jobs.feeds.strangers import fallback
from jobs.host.locks import alone
from jobs.host.redis_server import redis_url
from jobs.media.cards import cards, hand_over_cards
from jobs.media.visibility import Action, rules_of
from jobs.ranking.refused import muted_of, mutes, refusals
from jobs.settings import Settings
from serving.feed_store.layout import night_of, version_of
from serving.feed_store.shapes import Origin, Slot, Video

# What a slot says beside its video and its place.
WORDS = tuple(name for name in Slot.model_fields if name not in Video.model_fields and name != "position")
ORIGIN = tuple(Origin.model_fields)
# Slots that a task packs at once: some 1,000 feeds of 200, 100 bytes a slot.
AT_ONCE = 200_000
FALLBACK = "fallback"
_log = logging.getLogger(__name__)


class NoFeeds(ReelmillError):
    """There is nothing to publish for the night."""


class NightNotHeld(ReelmillError):
    """Redis holds no feeds of the night any more."""


def slots(feeds: DataFrame, videos: DataFrame, refused: DataFrame) -> DataFrame:
    """The slots that are served: user_id, position, video_id, and `words`, what a slot says beside its video, as JSON.

    In another line is what only who asks why is told.
    `videos` as from `cards`. Without what is published no more, what the viewer refused or muted (user_id, video_id) or
    made.
    """
    creators = videos.select("video_id", F.col("user_id").alias("creator"))
    sent, unsent = (F.to_json(F.struct(*names), {"ignoreNullFields": "false"}) for names in (WORDS, ORIGIN))
    words = F.concat_ws("\n", sent, unsent)
    return (
        feeds.join(creators, on="video_id", how="inner")
        .where("user_id <> creator")
        .join(refused, on=["user_id", "video_id"], how="left_anti")
        .select("user_id", "position", "video_id", words.alias("words"))
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


def write(slots: DataFrame, version: str, url: str) -> DataFrame:
    """Stage the feeds of `slots` in Redis when the answer is counted: user_id of each viewer whose feed was written.

    By their own connection from each task, many feeds a round trip: a night's feeds never pass through one process. A
    task that runs again writes the same again.
    """
    from serving.feed_store.writer import FeedStore

    def write_feeds(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with FeedStore(url) as store:
            for rows in whole_groups(batches, "user_id", AT_ONCE):
                feeds = list(_feeds(rows))
                store.write_feeds(version, feeds)
                yield pa.RecordBatch.from_pydict({"user_id": [viewer_id for viewer_id, _, _ in feeds]})

    together = slots.repartition("user_id").sortWithinPartitions("user_id", "position")
    return together.mapInArrow(write_feeds, "user_id string")


def publish(lake: Lake, window: Window, *, back: bool = False) -> None:
    """Publish the night's feeds; those of an earlier night than the current one only to go `back` to them."""
    from serving.feed_store.writer import FeedStore

    feeds = lake.of("gold.feeds", window)
    found = feeds.agg(F.max("feed_version").alias("version")).first()
    version = (found and found["version"]) or nobodys(lake, window)
    # A video's counts hold until its next row.
    counts = lake.newest("gold.video_daily", by=["video_id"], until=window.end)
    # As of now, as everything that says whether a video may be shown; a rule may have expired since an old night.
    rules, now = rules_of(lake.settings), datetime.now(UTC)
    seen = rules.without(lake.read("silver.videos"), now, Action.DROP)
    videos = cards(seen, counts).persist()
    try:
        if videos.isEmpty():
            return
        with redis_url(lake.settings) as url:
            with FeedStore(url) as store:
                is_older = store.is_older(version)
            if is_older and not back:
                _log.warning(
                    "The feeds of %s are not published: a newer night is. To serve them all the same: "
                    "reelmill feeds rebuild --night %s", window.day, window.day,
                )  # fmt: skip
                return
            hand_over_cards(videos, url, window.day)
            events, catalogue = lake.read("bronze.events"), lake.read("silver.videos")
            refused = Refused(refusals(events), mutes(events), catalogue.withColumnRenamed("user_id", "creator"))
            listed = rules.without(videos, now, Action.LIMIT)
            hand_over(Publication(version, feeds, listed, counts, refused), url, back=back)
    finally:
        videos.unpersist()


@dataclass(frozen=True)
class Refused:
    """Who wants what no more: refusals (user_id, video_id), and mutes with the videos that say what they are about."""

    refusals: DataFrame
    mutes: DataFrame
    videos: DataFrame

    @cached_property
    def has_mutes(self) -> bool:
        """Where nobody muted anything, no feed is looked through for it."""
        return not self.mutes.isEmpty()

    def of(self, slots: DataFrame) -> DataFrame:
        """All refusals, and those of the slots (user_id, video_id) that show what is muted: user_id, video_id."""
        refusals = self.refusals.select("user_id", "video_id")
        return refusals.unionByName(muted_of(slots, self.mutes, self.videos)) if self.has_mutes else refusals

    def muted_of(self, videos: DataFrame) -> DataFrame:
        """Of videos (video_id) that are shown to everybody, those that show a viewer what they have muted."""
        everybody = self.mutes.select("user_id").distinct().crossJoin(videos.select("video_id"))
        return muted_of(everybody, self.mutes, self.videos)


@dataclass(frozen=True)
class Publication:
    """What is published: gold.feeds of a night, cards, counts by video_id and who refused what, all as of now."""

    version: str
    feeds: DataFrame
    videos: DataFrame
    counts: DataFrame
    refused: Refused


def hand_over(publication: Publication, url: str, *, back: bool = False) -> None:
    """Stage everybody's feeds in the Redis at `url`, count them and make them current."""
    from serving.feed_store.writer import FeedStore

    version = publication.version

    def write_parts(rows: Iterator[Row]) -> None:
        with FeedStore(url) as store:
            store.write_parts(version, (row.asDict(recursive=True) for row in rows))

    # The feed for strangers is made with nobody in mind: the endpoint leaves out what each of them refused.
    def write_refused(rows: Iterator[Row]) -> None:
        with FeedStore(url) as store:
            store.refuse((row["user_id"], row["video_id"]) for row in rows)

    with FeedStore(url) as store:
        store.begin(version)
        publication.videos.foreachPartition(write_parts)
        refused = publication.refused
        shown = slots(publication.feeds, publication.videos, refused.of(publication.feeds))
        viewers = write(shown, version, url).persist()
        try:
            expected = viewers.count()
            refused.refusals.join(viewers, on="user_id", how="left_anti").foreachPartition(write_refused)
        finally:
            viewers.unpersist()
        strangers = fallback(publication.videos, publication.counts)
        if refused.has_mutes:
            refused.muted_of(strangers).foreachPartition(write_refused)
        store.write_fallback(version, [row.asDict(recursive=True) for row in strangers.collect()])
        store.commit(version, expected, back=back)


def publish_again(lake: Lake, window: Window) -> None:
    """Publish a night because somebody asked for it, whichever is current."""
    publish(lake, window, back=True)


def rollback(settings: Settings, night: date) -> str:
    """Serve the feeds of a night that Redis still holds, as they were; returns their version. Raises NightNotHeld.

    A publish that runs is waited for: it would end above what is rolled back to.
    """
    from serving.feed_store.writer import FeedStore

    with alone(settings, run.name), redis_url(settings) as url, FeedStore(url) as store:
        held = store.versions()
        ours = [version for version in held if night_of(version) == night]
        if not ours:
            nights = ", ".join(sorted({str(night_of(version)) for version in held})) or "none"
            raise NightNotHeld(
                f"The feeds of {night} are not held any more (held: {nights}). Publish them again from the tables: "
                f"reelmill feeds rebuild --night {night}"
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


def _feeds(rows: pa.Table) -> Iterator[tuple[str, list[str], list[bytes]]]:
    """Of each viewer, whose slots lie together in order: their id, the ids of the videos and the words."""
    columns = [rows[name].combine_chunks().dictionary_encode() for name in ("user_id", "video_id", "words")]
    viewers, videos, words = (column.dictionary.to_pylist() for column in columns)
    viewer, video, word = (column.indices.to_numpy() for column in columns)
    of_slots = [one.encode() for one in words]
    ends = [*(np.flatnonzero(np.diff(viewer)) + 1).tolist(), len(viewer)]
    for start, end in pairwise((0, *ends)):
        shown, said = video[start:end].tolist(), word[start:end].tolist()
        yield viewers[viewer[start]], [videos[n] for n in shown], [of_slots[n] for n in said]
