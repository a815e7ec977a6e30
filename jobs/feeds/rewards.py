"""What viewers made of the slots that chance has filled: by it, any other order of the feeds can be judged.

Belongs here: which drawn slots were seen, and what followed. Which slots are drawn: draws.py. What it says of an order:
jobs/evaluation/explored.py.

A slot was seen if there is an impression of it; a view alone does not count, since whether a video is played may hang
on which video it is. A drawn slot that nobody came to has no row. That favours no video as long as a viewer decides to
go on before seeing what is next: then the videos that were seen are a fair draw too. It is so but for one thing: where
a drawn video stood further up, another video took its place there, and may have kept the viewer from coming so far.

An impression names its slot by feed version and video. The position that a client saw may be a smaller one than that of
gold.feeds, since what was withdrawn or refused before publishing has left its slot; and no client is believed about a
propensity.
"""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.events.watches import BELONGS
from jobs.ranking.moments import labelled
from serving.interactions import EventType

FEEDS, EVENTS, WATCHES, EXPLORATIONS = "gold.feeds", "bronze.events", "silver.watches", "gold.explorations"
# A watch belongs to an impression for so long, and a reaction to a watch: then nothing follows any more that counts.
SETTLED = 2 * BELONGS
# Each night writes the days that have settled again, so many: an event that arrives later than that is not counted.
LATE = timedelta(days=7)
# For so long after its night a feed may be shown, as gold.feeds is kept.
SHOWN_FOR = timedelta(days=30)


def settled(window: Window) -> Window:
    """The days whose rows a night writes. All that they hang on happened before the end of the night's window."""
    last = window.end - SETTLED
    return Window(last - LATE, last)


def explorations(feeds: DataFrame, events: DataFrame, watches: DataFrame, days: Window) -> DataFrame:
    """The rows of gold.explorations: each drawn slot of the feeds that was first seen on one of the days.

    `feeds` (gold.feeds), `events` (bronze.events) and `watches` (silver.watches) hold all that may be of these slots.
    """
    slots = drawn(feeds).select(
        "user_id", "feed_version", "video_id", "position", "propensity", "model_version", _end_of("event_date")
    )
    seen = events.where(F.col("event_type") == EventType.IMPRESSION).select(
        "user_id", "feed_version", "video_id", "event_at"
    )
    shown = (
        slots.join(seen, on=["user_id", "feed_version", "video_id"], how="inner")
        # A feed that is not there yet was not seen, whatever a clock says.
        .where("event_at >= night_end")
        .groupBy(*slots.columns)
        .agg(F.min("event_at").alias("shown_at"))
        .where(F.col("shown_at").between(F.lit(days.start), F.lit(days.end - timedelta(microseconds=1))))
    )
    return labelled(shown, watches).select(
        "user_id",
        "feed_version",
        "position",
        "video_id",
        "shown_at",
        "propensity",
        F.col("label").alias("reward"),
        "model_version",
        F.to_date("shown_at").alias("event_date"),
    )


def drawn(feeds: DataFrame) -> DataFrame:
    """The slots of gold.feeds that chance has filled."""
    return feeds.where("propensity IS NOT NULL")


def _end_of(day: str) -> Column:
    return F.to_timestamp(F.date_add(day, 1)).alias("night_end")


@job(every="night", reads=[FEEDS, EVENTS, WATCHES], writes=[EXPLORATIONS])
def run(lake: Lake, window: Window) -> None:
    """Where no feed of that time has a drawn slot, or nobody did anything, there is nothing to write or to replace."""
    days = settled(window)
    feeds = lake.read(FEEDS, since=days.start - SHOWN_FOR, until=days.end)
    if not lake.exists(EVENTS) or drawn(feeds).isEmpty() or lake.of(EVENTS, days).isEmpty():
        return
    events = lake.read(EVENTS, since=days.start - SHOWN_FOR, until=days.end)
    watches = lake.read(WATCHES, since=days.start, until=days.end + BELONGS)
    lake.replace(EXPLORATIONS, explorations(feeds, events, watches, days), days, empty_is_a_fact=True)
