"""Training examples: a video at a past moment, what was known then, and what its viewer made of it.

Belongs here: putting moments, candidate scores and the feature store's features together. Which moments and labels:
moments.py. Training: train.py. What is judged: judge.py.

Nothing in an example's features comes from its moment or later: where the night whose feed was shown has kept its
candidates, they are taken from there; else histories are cut at the moment and similarities at a snapshot before its
day. The feature store joins at the moment too, as serving does.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.events.marks import unmarked
from jobs.events.watches import known_by
from jobs.ranking.features import AGE, ranker_features, side_by_side, source_features, was_proposed, with_age
from jobs.ranking.metrics import K
from jobs.ranking.moments import (
    LOOKBACK,
    at_snapshots,
    days_of,
    impressions,
    judging,
    judging_days,
    labelled,
    replayed,
    sampled,
    shown_at_moments,
    snapshots,
    watched_after,
    watched_next,
)
from jobs.ranking.propose import propose
from jobs.ranking.refused import kept_away
from jobs.ranking.sources import registry
from jobs.ranking.watched import first_watches

CANDIDATES = "gold.candidates"
KEY = ("user_id", "video_id", "shown_at")


def examples(
    watches: DataFrame,
    videos: DataFrame,
    events: DataFrame,
    nights: DataFrame | None,
    refused: DataFrame | None = None,
) -> DataFrame | None:
    """Labelled examples without the feature store's features.

    `watches` (silver.watches), `videos` (silver.videos), the newest `events` (bronze.events), the candidates of the
    `nights` before (gold.candidates; None before the first) and all that was ever `refused` (kept_away), all as of
    tonight. Returns user_id, video_id, shown_at, at (examples of one viewer and one `at` are ranked against each
    other), position (NULL without impressions), label, is_judging and source_features(); None when nobody was shown
    anything or watched enough.

    What teaches is a candidate, as everything that is ranked in serving: what was shown and no source proposed tells
    the ranker only how the feeds of then were made. What judges: `_judging`.
    """
    counting = unmarked(watches)
    watched = first_watches(counting).persist()
    served = nights.withColumn("at", F.to_timestamp(F.date_add("event_date", 1))) if nights is not None else None
    kept = served.select("user_id", "at").distinct() if served is not None else None
    shown = shown_at_moments(impressions(events), kept).persist()
    replays = replayed(watched, shown).persist()
    # Before anything is proposed: what is left out must cost nothing.
    expected = shown.count() + replays.count() * sum(source.cap for source in registry.SOURCES)
    shown, replays = sampled(shown, expected), sampled(replays, expected)
    moments = shown.select("user_id", "at").distinct().unionByName(replays).persist()
    days = judging_days(days_of(moments))
    if not days:
        return None
    begin, judged = F.lit(days[-1].start), judging(moments, days).persist()
    known = _known(watched, videos, moments.where(F.col("at") < begin).unionByName(judged), served, refused)
    if known is None:
        return None
    known = known.persist()
    # What was shown when others are judged already teaches nobody, however old its feed.
    shown, replays = shown.where(F.col("shown_at") < begin), replays.where(F.col("at") < begin)
    learned = _learned(known, labelled(shown, watches), replays, watched)
    # What came later can be in no list of the moment.
    positives = with_age(watched_after(counting, judged), videos).where(F.col(AGE) >= 0).drop(AGE)
    every = learned.unionByName(_judging(known, judged, positives), allowMissingColumns=False)
    return with_age(every, videos).select(*KEY, "at", "position", "label", "is_judging", *source_features())


def _learned(known: DataFrame, shown: DataFrame, replays: DataFrame, watched: DataFrame) -> DataFrame:
    """What teaches: the candidates that were `shown`, labelled, and all candidates of the `replays`."""
    seen = shown.join(known, on=["user_id", "at", "video_id"], how="inner")
    offered = (
        known.join(replays, on=["user_id", "at"], how="left_semi")
        .join(watched_next(watched, replays), on=["user_id", "at", "video_id"], how="left")
        .withColumn("label", F.coalesce("label", F.lit(0)))
        .withColumn("shown_at", F.col("at"))
        .withColumn("position", F.lit(None).cast("int"))
    )
    every = seen.unionByName(offered, allowMissingColumns=False).withColumn("is_judging", F.lit(False))
    # A viewer who liked nothing, or everything alike, at a moment says nothing about order.
    telling = every.groupBy("user_id", "at").agg(F.count_distinct("label").alias("labels")).where("labels > 1")
    return every.join(telling, on=["user_id", "at"], how="left_semi")


def _judging(known: DataFrame, judged: DataFrame, positives: DataFrame) -> DataFrame:
    """What whole lists are judged by: each candidate of a moment once, and what its viewer watched from then on.

    Of what no source proposed the K best say how good the best list would have been; the others change nothing.
    """
    moment = ["user_id", "at"]
    every = known.join(judged, on=moment, how="left_semi").join(positives, on=[*moment, "video_id"], how="full")
    best = Over.partitionBy(*moment, "missed").orderBy(F.col("label").desc(), "video_id")
    return (
        every.withColumn("missed", ~was_proposed())
        .withColumn("nth", F.row_number().over(best))
        .where(~F.col("missed") | (F.col("nth") <= K))
        .drop("missed", "nth")
        .withColumn("label", F.coalesce("label", F.lit(0)))
        .withColumn("shown_at", F.col("at"))
        .withColumn("position", F.lit(None).cast("int"))
        .withColumn("is_judging", F.lit(True))
    )


def _known(
    watched: DataFrame, videos: DataFrame, moments: DataFrame, served: DataFrame | None, refused: DataFrame | None
) -> DataFrame | None:
    """What the sources say at the moments, side by side: as a night kept it in `served`, else proposed again."""
    kept = None
    if served is not None:
        kept = side_by_side(served.join(moments, on=["user_id", "at"], how="left_semi"))
        moments = moments.join(served.select("user_id", "at").distinct(), on=["user_id", "at"], how="left_anti")
    chosen = snapshots(moments)
    if not chosen:
        return kept
    again = side_by_side(propose(watched, videos, at_snapshots(moments, chosen), refused))
    return kept.unionByName(again) if kept is not None else again


def with_features(rows: DataFrame, day: date, join: Callable[[DataFrame], DataFrame]) -> DataFrame:
    """The rows of gold.examples: `join` adds the feature store's features to user_id, video_id, at."""
    return join(rows).select(
        F.lit(day).alias("event_date"),
        *KEY,
        "at",
        F.col("position").cast("int").alias("position"),
        F.col("label").cast("int").alias("label"),
        "is_judging",
        *ranker_features(),
    )


def _nights(lake: Lake, window: Window) -> DataFrame | None:
    """The candidates of earlier nights, also those of a feed that was old when it was shown; None before the first."""
    if not lake.exists(CANDIDATES):
        return None
    return lake.read(CANDIDATES, since=window.start - 2 * LOOKBACK, until=window.start)


@job(
    every="night",
    reads=["bronze.events", "silver.watches", "silver.videos", CANDIDATES, "gold.user_daily", "gold.video_daily"],
    writes=["gold.examples"],
)
def run(lake: Lake, window: Window) -> None:
    """Where nobody was shown anything yet and nobody watched enough there is nothing to learn: no row, no failure."""
    from jobs.features.store import point_in_time

    watches = known_by(lake.read("silver.watches"), window.end)
    try:
        rows = examples(
            watches,
            lake.read("silver.videos", until=window.end),
            lake.read("bronze.events", since=window.end - LOOKBACK, until=window.end),
            _nights(lake, window),
            kept_away(lake.read("bronze.events", until=window.end), watches),
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
