"""Training examples: a video at a past moment, what was known then, and what its viewer made of it.

Belongs here: putting moments, candidate scores and the feature store's features together. Which moments and labels:
moments.py. Training: train.py.

Nothing in an example's features comes from at or after its `shown_at`: histories are cut at the moment, similarities at
a snapshot before its day, and the feature store joins by point in time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.events.watches import known_by
from jobs.job import Window, job
from jobs.lake import Lake
from jobs.ranking.features import SOURCE_FEATURES, ranker_features, side_by_side, with_age
from jobs.ranking.moments import (
    LOOKBACK,
    at_snapshots,
    impressions,
    labelled,
    replayed,
    snapshots,
    watched_next,
)
from jobs.ranking.propose import propose
from jobs.ranking.refused import refusals
from jobs.ranking.watched import first_watches

# Without impressions a candidate that was not watched is a negative, of which every NEGATIVES-th is kept, by a hash:
# the same ones whenever it runs again. Whether one is kept must not depend on any feature: with all the negatives that
# item_item ranks high and a fifth of the others, the ranker learned that the others are watched five times as often.
NEGATIVES = 3
KEY = ("user_id", "video_id", "shown_at")


def examples(
    watches: DataFrame, videos: DataFrame, events: DataFrame, refused: DataFrame | None = None
) -> DataFrame | None:
    """Labelled examples without the feature store's features.

    `watches` (silver.watches), `videos` (silver.videos), the newest `events` (bronze.events) and all that was ever
    `refused` (refusals), all as of tonight. Returns user_id, video_id, shown_at, at (examples of one viewer and one
    `at` are ranked against each other), position (NULL without impressions), label and SOURCE_FEATURES; None when
    nobody was shown anything or watched enough.
    """
    watched = first_watches(watches).persist()
    shown = impressions(events).persist()
    replays = replayed(watched, shown).persist()
    moments = shown.select("user_id", "at").distinct().unionByName(replays).persist()
    chosen = snapshots(moments)
    if not chosen:
        return None
    timed = at_snapshots(moments, chosen)
    known = side_by_side(propose(watched, videos, timed, refused)).persist()
    seen = labelled(shown, watches).join(known, on=["user_id", "at", "video_id"], how="left")
    offered = (
        known.join(replays, on=["user_id", "at"], how="left_semi")
        .join(watched_next(watched, replays), on=["user_id", "at", "video_id"], how="left")
        .where(f"label > 0 OR pmod(xxhash64(user_id, video_id, unix_micros(at)), {NEGATIVES}) = 0")
        .withColumn("label", F.coalesce("label", F.lit(0)))
        .withColumn("shown_at", F.col("at"))
        .withColumn("position", F.lit(None).cast("int"))
    )
    columns = [*KEY, "at", "position", "label", *SOURCE_FEATURES]
    every = with_age(seen.unionByName(offered, allowMissingColumns=False), videos).select(*columns)
    # A viewer who liked nothing, or everything alike, at a moment says nothing about order.
    telling = every.groupBy("user_id", "at").agg(F.count_distinct("label").alias("labels")).where("labels > 1")
    return every.join(telling, on=["user_id", "at"], how="left_semi")


def with_features(rows: DataFrame, day: date, join: Callable[[DataFrame], DataFrame]) -> DataFrame:
    """The rows of gold.examples: `join` adds the feature store's features to user_id, video_id, shown_at."""
    return join(rows).select(
        F.lit(day).alias("event_date"),
        *KEY,
        "at",
        F.col("position").cast("int").alias("position"),
        F.col("label").cast("int").alias("label"),
        *ranker_features(),
    )


@job(
    every="night",
    reads=["bronze.events", "silver.watches", "silver.videos", "gold.user_daily", "gold.video_daily"],
    writes=["gold.examples"],
)
def run(lake: Lake, window: Window) -> None:
    """Where nobody was shown anything yet and nobody watched enough there is nothing to learn: no row, no failure."""
    from jobs.features.store import point_in_time

    try:
        rows = examples(
            known_by(lake.read("silver.watches"), window.end),
            lake.read("silver.videos", until=window.end),
            lake.read("bronze.events", since=window.end - LOOKBACK, until=window.end),
            refusals(lake.read("bronze.events", until=window.end)),
        )
        if rows is None:
            return
        # Cut off here: planned together with the feature store's joins, it takes longer to plan than to run.
        rows = rows.localCheckpoint()
        found = with_features(rows, window.day, lambda r: point_in_time(lake, r))
        # Where nobody watched what they were shown, or all alike, there was something to look at and nothing to learn.
        lake.replace("gold.examples", found, window, empty_is_a_fact=True)
    finally:
        lake.spark.catalog.clearCache()
