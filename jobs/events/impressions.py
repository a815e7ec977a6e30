"""Makes impressions of events: what a viewer was shown, where, and what followed, even where nothing did.

Belongs here: which events follow which impression. How it was watched: watches.py, by the time of the view.

A view or a reaction follows the viewer's latest impression of that video at or before it, if that is at most a day old.
Of the reactions only those that come before any view are told: the others are in silver.watches. By whom a slot was
filled, and with which propensity, is asked of gold.feeds by viewer, feed version and video; no client is believed.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.events.watches import BELONGS, EVENTS, REACTIONS
from serving.interactions import EventType

IMPRESSIONS = "silver.impressions"


def impressions(events: DataFrame, window: Window) -> DataFrame:
    """bronze.events to the rows of silver.impressions that were shown in the window.

    `events`: those of the window, and of the BELONGS after it as far as there are any.
    """
    is_impression, at = F.col("event_type") == EventType.IMPRESSION, F.col("event_at")
    # By value, not by row: what happens at the instant of an impression follows it.
    pair = Over.partitionBy("user_id", "video_id").orderBy("event_at")
    so_far = pair.rangeBetween(Over.unboundedPreceding, Over.currentRow)
    placed = events.withColumn("shown_at", F.max(F.when(is_impression, at)).over(so_far))
    slot = F.struct("event_id", "position", "feed_version")
    followed = (
        placed.where(at.between(F.col("shown_at"), F.col("shown_at") + F.lit(BELONGS)))
        .groupBy("user_id", "video_id", "shown_at")
        .agg(
            F.max(F.when(is_impression, slot)).alias("slot"),
            F.min(F.when(F.col("event_type") == EventType.VIEW, at)).alias("started_at"),
            *[F.min(F.when(F.col("event_type") == kind, at)).alias(name) for kind, (_, name) in REACTIONS.items()],
        )
    )
    without_view = F.col("started_at").isNull()
    return followed.where((F.col("shown_at") >= F.lit(window.start)) & (F.col("shown_at") < F.lit(window.end))).select(
        "user_id",
        "video_id",
        "shown_at",
        "slot.position",
        "slot.feed_version",
        "started_at",
        *[
            F.when(without_view | (F.col(name) < F.col("started_at")), F.col(name)).alias(name)
            for _, name in REACTIONS.values()
        ],
    )


@job(every="day", reads=[EVENTS], writes=[IMPRESSIONS])
def run(lake: Lake, window: Window) -> None:
    """Replace the rows of the window, and of the day before, of which something may have followed on the first one."""
    shown = Window(window.start - BELONGS, window.end)
    events = lake.of(EVENTS, shown)
    # Who was shown nothing by a client that says so has no row; without any event there is nothing to go by.
    if not events.isEmpty():
        lake.replace(IMPRESSIONS, impressions(events, shown), shown, empty_is_a_fact=True)
