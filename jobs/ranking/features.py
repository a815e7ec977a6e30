"""What the ranker sees of one viewer, one video and one moment, the same in training and in serving.

Belongs here: the list of feature columns, the candidate scores laid side by side, and the prior. Features by day come
from the feature store: jobs/features/store.py. Labels: examples.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.ranking.propose import MOMENT
from jobs.ranking.sources.source import CAPS, FRESH, ITEM_ITEM, POPULAR

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

SOURCE_FEATURES = (
    "item_item_score",
    "item_item_share",
    "item_item_rank",
    "popular_score",
    "popular_share",
    "popular_rank",
    "fresh_score",
    "fresh_rank",
    "days_since_published",
)
VIDEO = "video_id"


def ranker_features() -> tuple[str, ...]:
    """The columns that the ranker reads, in its order: the sources' scores, then the feature store's."""
    from jobs.features.store import feature_names

    return (*SOURCE_FEATURES, *feature_names())


def side_by_side(candidates: DataFrame) -> DataFrame:
    """One row per moment and video of what `propose` gave: user_id, at, video_id and each source's score and rank.

    A share is the score over the moment's best one, which compares across long and short histories (item_item) and
    across busy and quiet weeks, whose windows differ (popular).
    """

    rows = candidates.groupBy(*MOMENT, VIDEO).agg(
        *[
            F.max(F.when(F.col("source") == source, F.col(column))).alias(f"{source}_{column}")
            for source in (ITEM_ITEM, POPULAR, FRESH)
            for column in ("score", "rank")
        ]
    )
    best = (
        candidates.where("rank = 1")
        .groupBy(*MOMENT)
        .agg(*[F.max(F.when(F.col("source") == s, F.col("score"))).alias(f"{s}_best") for s in (ITEM_ITEM, POPULAR)])
    )
    share = {s: F.round(F.try_divide(F.col(f"{s}_score"), F.col(f"{s}_best")), 6) for s in (ITEM_ITEM, POPULAR)}
    return rows.join(best, on=list(MOMENT), how="left").select(
        *MOMENT,
        VIDEO,
        "item_item_score",
        share[ITEM_ITEM].alias("item_item_share"),
        "item_item_rank",
        "popular_score",
        share[POPULAR].alias("popular_share"),
        "popular_rank",
        "fresh_score",
        "fresh_rank",
    )


def with_age(rows: DataFrame, videos: DataFrame) -> DataFrame:
    """The rows (at least `at`, video_id) with days_since_published, counted at `at`."""
    published = videos.select(VIDEO, F.col("published_at").alias("_published"))
    days = F.round((F.unix_timestamp("at") - F.unix_timestamp("_published")) / 86_400, 3)
    return rows.join(published, on=VIDEO, how="left").withColumn("days_since_published", days).drop("_published")


def prior(frame: pd.DataFrame) -> NDArray[np.float64]:
    """The score from which the ranker starts: -log2(rank) in item_item, where nDCG's own discount has its steps.

    A ranker that starts from the best plain order can only learn what improves on it. Learned from nothing, on the few
    thousand moments that a small platform has, it did worse than that order.
    """
    import numpy as np

    rank = frame["item_item_rank"].to_numpy(dtype=np.float64, na_value=np.nan)
    return -np.log2(np.where(np.isnan(rank), CAPS[ITEM_ITEM] + 1.0, rank))
