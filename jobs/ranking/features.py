"""What the ranker sees of one viewer, one video and one moment, the same in training and in serving.

Belongs here: the list of feature columns, the candidate scores laid side by side, and the score of a source's order.
Features by day come from the feature store: jobs/features/store.py. Labels: examples.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.ranking.propose import MOMENT
from jobs.ranking.sources import registry
from jobs.ranking.sources.item_item import ITEM_ITEM
from jobs.ranking.sources.source import Measure, Source

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

VIDEO = "video_id"
AGE = "days_since_published"
# By whose rank videos are ordered before anything is judged.
PRIOR = ITEM_ITEM


def source_features() -> tuple[str, ...]:
    """What the sources say of a video, and its age, in the ranker's order."""
    return (*[column for source in registry.SOURCES for column in source.columns], AGE)


def ranker_features() -> tuple[str, ...]:
    """The columns that the ranker reads, in its order: the sources' scores, then the feature store's."""
    from jobs.features.store import feature_names

    return (*source_features(), *feature_names())


def side_by_side(candidates: DataFrame) -> DataFrame:
    """One row per moment and video of what `propose` gave: user_id, at, video_id and the columns of every source.

    A share is the score over the source's best one at the moment.
    """
    scores = [_of_source(source, "score").alias(source.column("score")) for source in registry.SOURCES]
    ranks = [_of_source(source, "rank").alias(source.column("rank")) for source in registry.SOURCES]
    rows = candidates.groupBy(*MOMENT, VIDEO).agg(*scores, *ranks)
    shared = [source for source in registry.SOURCES if source.has_share]
    bests = [_of_source(source, "score").alias(f"{source.name}_best") for source in shared]
    best = candidates.where("rank = 1").groupBy(*MOMENT).agg(*bests)
    shares = {s.column("share"): F.try_divide(s.column("score"), f"{s.name}_best") for s in shared}
    return (
        rows.join(best, on=list(MOMENT), how="left")
        .withColumns({column: F.round(share, 6) for column, share in shares.items()})
        .select(*MOMENT, VIDEO, *[column for source in registry.SOURCES for column in source.columns])
    )


def _of_source(source: Source, measure: Measure) -> Column:
    return F.max(F.when(F.col("source") == source.name, F.col(measure)))


def was_proposed() -> Column:
    """Whether any source proposed the video, from the columns of `side_by_side`."""
    return F.coalesce(*[F.col(source.column("rank")) for source in registry.SOURCES]).isNotNull()


def ties() -> tuple[str, ...]:
    """The columns that order equal scores: every source's rank but that of PRIOR."""
    return tuple(source.column("rank") for source in registry.SOURCES if source is not PRIOR)


def with_age(rows: DataFrame, videos: DataFrame) -> DataFrame:
    """The rows (at least `at`, video_id) with days_since_published, counted at `at`."""
    published = videos.select(VIDEO, F.col("published_at").alias("_published"))
    days = F.round((F.unix_timestamp("at") - F.unix_timestamp("_published")) / 86_400, 3)
    return rows.join(published, on=VIDEO, how="left").withColumn(AGE, days).drop("_published")


def by_rank(frame: pd.DataFrame, source: Source) -> NDArray[np.float64]:
    """The score that a source's own order gives: -log2(rank), where nDCG's own discount has its steps.

    What the source did not propose comes after all that it did, alike.
    """
    import numpy as np

    rank = frame[source.column("rank")].to_numpy(dtype=np.float64, na_value=np.nan)
    return -np.log2(np.where(np.isnan(rank), source.cap + 1.0, rank))
