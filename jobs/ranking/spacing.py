"""The policy of a feed: how scored candidates become slots.

Belongs here: how many slots there are, and how videos of one creator are kept apart, once for the frames of a night and
once for the arrays of the gate; a test ties the two. The scores: rankers/ and orders.py. What becomes of the slots:
jobs/feeds/build.py and judge.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
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


def positions(
    list_of: NDArray[np.int64],
    scores: NDArray[np.float64],
    tied: Sequence[NDArray[np.float64]],
    creators: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The position of each row in its list as `spaced` gives it: 0 is the top, and beyond SLOTS is nothing shown.

    The rows of a list are in the order of their videos. `tied` holds the columns of `ties`, NaN where a source is
    silent.
    """
    silent_last = [np.where(np.isnan(ranks), np.inf, ranks) for ranks in tied]
    place = _count(np.lexsort((*reversed(silent_last), -scores, list_of)), list_of)
    of_creator = list_of * (creators.max(initial=0) + 1) + creators
    further = _count(np.lexsort((place, of_creator)), of_creator)
    slot = place + DEMOTION * np.minimum(further, DEMOTED)
    return _count(np.lexsort((place, slot, list_of)), list_of)


def _count(order: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row, how many of its group come before it in an order that has groups one after the other."""
    grouped = groups[order]
    count = np.empty(len(order), dtype=np.int64)
    count[order] = np.arange(len(order)) - np.searchsorted(grouped, grouped)
    return count
