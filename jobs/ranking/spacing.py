"""The policy of a feed: how scored candidates become slots.

Belongs here: how many slots there are, and how videos of one creator are kept apart. The scores: rankers/. What becomes
of the slots: jobs/feeds/build.py.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.ranking.features import ties

SLOTS = 50
# The n-th video of one creator in a feed goes DEMOTION * (n - 1) places down, at most DEMOTION * DEMOTED: enough to let
# others in between, too little to cost a favourite creator the feed.
DEMOTION, DEMOTED = 2, 4


def spaced(scores: DataFrame, videos: DataFrame) -> DataFrame:
    """user_id, video_id, score, position: the best SLOTS by score, further videos of one creator a little down.

    Where all are of one creator that changes nothing.
    """
    creators = videos.select("video_id", F.col("user_id").alias("creator"))
    ranks = [F.col(rank).asc_nulls_last() for rank in ties()]
    by_score = Over.partitionBy("user_id").orderBy(F.col("score").desc(), *ranks, "video_id")
    of_creator = Over.partitionBy("user_id", "creator").orderBy("place")
    by_slot = Over.partitionBy("user_id").orderBy("slot", "place")
    return (
        scores.join(creators, on="video_id", how="inner")
        .withColumn("place", F.row_number().over(by_score))
        .withColumn("slot", F.col("place") + DEMOTION * F.least(F.row_number().over(of_creator) - 1, F.lit(DEMOTED)))
        .withColumn("position", F.row_number().over(by_slot) - 1)
        .where(F.col("position") < SLOTS)
        .select("user_id", "video_id", "score", "position")
    )
