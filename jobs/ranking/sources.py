"""The candidate sources: item_item, popular and fresh, for any moments, tonight's or past ones.

Belongs here: what each source proposes and how it scores. Who asks for which moments: candidates.py (tonight) and
examples.py (the past); both call `propose`, so that a score means the same in training and in serving.

Weights are added up as whole numbers (millionths, billionths): whole sums do not depend on the order in which Spark
adds, so the tables are equal bit by bit whenever they are computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.ranking.watched import history, unseen

ITEM_ITEM, POPULAR, FRESH = "item_item", "popular", "fresh"
# At most this many candidates of each source for one moment.
CAPS = {ITEM_ITEM: 150, POPULAR: 60, FRESH: 30}

# item_item. A watch vouches for the next NEXT watches of the same viewer, the d-th with weight 1 / (1 + d / NEXT_DECAY):
# what is watched soon after says more than what is watched anyway. Work is linear in watches, however long a history.
NEXT, NEXT_DECAY = 50, 20
# similarity = weight / (viewers_i * viewers_j ^ DAMPING + SHRINK): like a conditional probability, a little less for
# what everybody watches, and little for what rests on a few viewers. bench/candidates.py compares it with the cosine.
DAMPING, SHRINK = 0.3, 20.0
NEIGHBOURS = 200
# The r-th newest watch of a viewer weighs RECENT / (RECENT - 1 + r).
RECENT = 5

# popular: the shortest window in which enough is going on; a quiet week says little.
WINDOWS_D = (7, 28, 365, 36_500)
BUSY_VIDEOS, BUSY_VIEWERS = 50, 3
POPULAR_POOL = 1_000
# fresh: the newest videos that few have seen.
FRESH_POOL, FRESH_VIEWERS = 200, 50

MICRO, NANO = 1_000_000, 1_000_000_000
MOMENT = ("user_id", "at")


def propose(watched: DataFrame, videos: DataFrame, moments: DataFrame, snapshots: Sequence[datetime]) -> DataFrame:
    """All sources' candidates: user_id, at, video_id, source, score, rank (1 = best), because.

    `watched` as from first_watches, `videos` as silver.videos, `moments` with every snapshot_at among `snapshots`.
    `because` is what the source went by: a video (item_item), a number of days (popular), a hashtag or NULL (fresh).
    """
    recent = history(watched, moments).persist()
    viewers = _viewers(watched, snapshots).persist()
    return (
        item_item(watched, videos, recent, viewers, snapshots)
        .unionByName(popular(watched, videos, moments, viewers))
        .unionByName(fresh(watched, videos, moments, recent, viewers, snapshots))
    )


def item_item(
    watched: DataFrame, videos: DataFrame, recent: DataFrame, viewers: DataFrame, snapshots: Sequence[datetime]
) -> DataFrame:
    """What viewers of the same videos watched next, weighted by how much and how lately this viewer watched them."""
    known = neighbours(watched, viewers, snapshots)
    term = F.col("share") * RECENT / (RECENT - 1 + F.col("recency")) * F.col("similarity") * NANO
    scored = (
        recent.join(known, on=["snapshot_at", "video_id"], how="inner")
        .withColumn("term", F.round(term).cast("bigint"))
        .groupBy("user_id", "at", "next_id")
        .agg(F.sum("term").alias("score"), F.max(F.struct("term", "video_id")).alias("most"))
        .select("user_id", "at", F.col("next_id").alias("video_id"), "score", F.col("most.video_id").alias("because"))
        .where("score > 0")
    )
    return _top(unseen(scored, watched, videos), ITEM_ITEM, F.col("score") / NANO, F.col("because"))


def neighbours(watched: DataFrame, viewers: DataFrame, snapshots: Sequence[datetime]) -> DataFrame:
    """snapshot_at, video_id, next_id, similarity: the NEIGHBOURS most similar of each video, known at each snapshot."""
    following = Over.partitionBy("user_id").orderBy("n").rowsBetween(1, NEXT)
    after = F.posexplode(F.collect_list(F.struct("video_id", "share", "at")).over(following)).alias("d", "next")
    pairs = watched.where(F.col("at") < F.lit(max(snapshots))).select("video_id", after)
    weight = F.round(F.col("next.share") / (1 + (F.col("d") + 1) / NEXT_DECAY) * MICRO).cast("bigint")
    known = [F.sum(F.when(F.col("next.at") < F.lit(s), weight)).alias(f"known_{k}") for k, s in enumerate(snapshots)]
    weights = pairs.groupBy("video_id", F.col("next.video_id").alias("next_id")).agg(*known)
    by_snapshot = weights.select(
        "video_id", "next_id", _unpivot(snapshots, lambda k: {"weight": F.col(f"known_{k}")})
    ).selectExpr("video_id", "next_id", "s.*")
    count = viewers.select("snapshot_at", "video_id", "viewers")
    as_next = count.select("snapshot_at", F.col("video_id").alias("next_id"), F.col("viewers").alias("next_viewers"))
    similarity = F.col("weight") / MICRO / (F.col("viewers") * F.pow("next_viewers", F.lit(DAMPING)) + SHRINK)
    nearest = Over.partitionBy("snapshot_at", "video_id").orderBy(F.col("similarity").desc(), "next_id")
    return (
        by_snapshot.where("weight > 0")
        .join(F.broadcast(count), on=["snapshot_at", "video_id"], how="inner")
        .join(F.broadcast(as_next), on=["snapshot_at", "next_id"], how="inner")
        .withColumn("similarity", F.round(similarity, 9))
        .withColumn("rank", F.row_number().over(nearest))
        .where(F.col("rank") <= NEIGHBOURS)
        .select("snapshot_at", "video_id", "next_id", "similarity")
    )


def popular(watched: DataFrame, videos: DataFrame, moments: DataFrame, viewers: DataFrame) -> DataFrame:
    """The videos with most viewers in the last days, in the shortest of WINDOWS_D that is busy."""
    counts = [F.col(f"viewers_{d}d") for d in WINDOWS_D]
    busy = viewers.groupBy("snapshot_at").agg(*[F.count_if(c >= BUSY_VIEWERS).alias(f"_{i}") for i, c in enumerate(counts)])
    chosen = F.coalesce(
        *[F.when(F.col(f"_{i}") >= BUSY_VIDEOS, F.lit(i)) for i in range(len(counts))], F.lit(len(counts) - 1)
    )
    busy = busy.select("snapshot_at", chosen.alias("chosen"))
    order = Over.partitionBy("snapshot_at").orderBy(F.col("score").desc(), F.col("viewers").desc(), "video_id")
    pool = (
        viewers.join(F.broadcast(busy), on="snapshot_at", how="inner")
        .withColumn("score", F.get(F.array(*counts), F.col("chosen")))
        .withColumn("because", F.get(F.array(*[F.lit(str(d)) for d in WINDOWS_D]), F.col("chosen")))
        .withColumn("place", F.row_number().over(order))
        .where(F.col("place") <= POPULAR_POOL)
        .select("snapshot_at", "video_id", "score", "because", "place")
    )
    offered = moments.join(F.broadcast(pool), on="snapshot_at", how="inner").drop("snapshot_at")
    return _top(unseen(offered, watched, videos), POPULAR, F.col("score").cast("double"), F.col("because"), "place")


def fresh(
    watched: DataFrame,
    videos: DataFrame,
    moments: DataFrame,
    recent: DataFrame,
    viewers: DataFrame,
    snapshots: Sequence[datetime],
) -> DataFrame:
    """The newest videos that few have seen, each creator's newest first; by this viewer's share in their hashtags."""
    pool = _fresh_pool(videos, viewers, snapshots).persist()
    tags = videos.select("video_id", F.explode(F.array_distinct("hashtags")).alias("hashtag"))
    liking = (
        recent.join(F.broadcast(tags), on="video_id", how="inner")
        .groupBy(*MOMENT, "snapshot_at", "hashtag")
        .agg(F.sum(F.round(F.col("share") * MICRO).cast("bigint")).alias("liking"))
    )
    liking = liking.withColumn("share", F.col("liking") / F.sum("liking").over(Over.partitionBy(*MOMENT)))
    tagged = pool.join(F.broadcast(tags), on="video_id", how="inner")
    affinity = (
        liking.join(F.broadcast(tagged), on=["snapshot_at", "hashtag"], how="inner")
        .withColumn("term", F.round(F.col("share") * NANO).cast("bigint"))
        .groupBy(*MOMENT, "video_id")
        .agg(F.sum("term").alias("affinity"), F.max(F.struct("term", "hashtag")).alias("most"))
    )
    offered = moments.join(F.broadcast(pool), on="snapshot_at", how="inner").drop("snapshot_at")
    scored = (
        offered.join(affinity, on=[*MOMENT, "video_id"], how="left")
        .withColumn("score", F.coalesce("affinity", F.lit(0)))
        .select(*MOMENT, "video_id", "place", "score", F.col("most.hashtag").alias("because"))
    )
    return _top(unseen(scored, watched, videos), FRESH, F.col("score") / NANO, F.col("because"), "place")


def _fresh_pool(videos: DataFrame, viewers: DataFrame, snapshots: Sequence[datetime]) -> DataFrame:
    published = videos.where("status = 'published'").select("video_id", "user_id", "published_at")
    at = published.withColumn("snapshot_at", F.explode(F.array(*[F.lit(s) for s in snapshots])))
    count = viewers.select("snapshot_at", "video_id", "viewers")
    of_creator = Over.partitionBy("snapshot_at", "user_id").orderBy(F.col("published_at").desc(), "video_id")
    overall = Over.partitionBy("snapshot_at").orderBy("turn", F.col("published_at").desc(), "video_id")
    return (
        at.where("published_at <= snapshot_at")
        .join(F.broadcast(count), on=["snapshot_at", "video_id"], how="left")
        .where(F.coalesce("viewers", F.lit(0)) < FRESH_VIEWERS)
        .withColumn("turn", F.row_number().over(of_creator))
        .withColumn("place", F.row_number().over(overall))
        .where(F.col("place") <= FRESH_POOL)
        .select("snapshot_at", "video_id", "place")
    )


def _viewers(watched: DataFrame, snapshots: Sequence[datetime]) -> DataFrame:
    """snapshot_at, video_id, viewers (ever) and viewers_<days>d: people who watched before the snapshot."""

    def within(snapshot: datetime, days: int) -> Column:
        since = max(snapshot - timedelta(days=days), datetime(1970, 1, 1, tzinfo=snapshot.tzinfo))
        return F.count_if((F.col("at") >= F.lit(since)) & (F.col("at") < F.lit(snapshot)))

    ever = WINDOWS_D[-1]
    counted = watched.groupBy("video_id").agg(
        *[within(s, d).alias(f"v_{k}_{d}") for k, s in enumerate(snapshots) for d in WINDOWS_D]
    )
    columns = _unpivot(
        snapshots,
        lambda k: {"viewers": F.col(f"v_{k}_{ever}")} | {f"viewers_{d}d": F.col(f"v_{k}_{d}") for d in WINDOWS_D},
    )
    return counted.select("video_id", columns).selectExpr("video_id", "s.*").where("viewers > 0")


def _unpivot(snapshots: Sequence[datetime], values: Callable[[int], dict[str, Column]]) -> Column:
    """One row per snapshot, as a struct `s` of snapshot_at and the values' columns."""
    rows = [
        F.struct(F.lit(s).alias("snapshot_at"), *[c.alias(name) for name, c in values(k).items()])
        for k, s in enumerate(snapshots)
    ]
    return F.explode(F.array(*rows)).alias("s")


def _top(proposals: DataFrame, source: str, score: Column, because: Column, *ties: str) -> DataFrame:
    """The best CAPS[source] proposals of each moment: by score, then by `ties`, then by id."""
    best = Over.partitionBy(*MOMENT).orderBy(F.col("score").desc(), *ties, "video_id")
    return (
        proposals.withColumn("rank", F.row_number().over(best))
        .where(F.col("rank") <= CAPS[source])
        .select(*MOMENT, "video_id", F.lit(source).alias("source"), score.alias("score"), "rank", because.alias("because"))
    )
