"""What the guards look at lists by: whose videos they are, which creators are small, what judged viewers had watched.

Belongs here: reading that from the lake, as it was before the judged days. The measures and their limits: guards.py.

The driver holds a row for each published video and for each creator, and the newest PER_VIEWER watches of each judged
viewer, of whom there are at most some thousands (moments.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.media.status import published
from jobs.ranking.sources.walk import by_rows

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

# Creators are small who share the last fifth of all watches: on every platform there are some, and slots that follow
# the watches would give them a fifth.
TAIL = 0.2
# The newest watches that say what a viewer likes.
PER_VIEWER = 400


@dataclass(frozen=True)
class Topics:
    """How much each hashtag has of a video, and of what a viewer watched: each row adds up to 1, or to 0."""

    videos: pd.Index[str]
    of_videos: csr_matrix
    viewers: pd.Index[str]
    of_viewers: csr_matrix


@dataclass(frozen=True)
class GuardFacts:
    """The creator of every published video; the small creators; None for topics where no video has a hashtag."""

    creators: Mapping[str, str]
    small: frozenset[str] = field(default_factory=frozenset)
    topics: Topics | None = None


def guard_facts(watches: DataFrame, videos: DataFrame, viewers: Sequence[str]) -> GuardFacts:
    """Of silver.watches before the judged days, silver.videos as they are known, and the judged viewers."""
    listed = published(videos)
    catalogue = listed.select("video_id", "user_id", "hashtags").toArrow()
    creators = dict(zip(catalogue["video_id"].to_pylist(), catalogue["user_id"].to_pylist(), strict=True))
    by_video = watches.groupBy("video_id").count()
    by_creator = by_video.join(listed.select("video_id", "user_id"), on="video_id").groupBy("user_id").sum("count")
    watched = {row[0]: row[1] for row in by_creator.toLocalIterator()}
    return GuardFacts(creators, small_creators(creators, watched), _topics(catalogue, watches, viewers))


def small_creators(creators: Mapping[str, str], watches: Mapping[str, int]) -> frozenset[str]:
    """Of the creators of videos those who share the last TAIL of all watches; nobody where there are none."""
    known = np.array(sorted(set(creators.values())), dtype=object)
    counts = np.array([watches.get(creator, 0) for creator in known], dtype=np.int64)
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    return frozenset(known[order[before >= (1 - TAIL) * counts.sum()]]) if counts.any() else frozenset()


def topics_of(catalogue: pa.Table, watched: pa.Table) -> Topics | None:
    """Of videos (video_id, hashtags) and what some viewers watched (user_id, video_id)."""
    import pandas as pd
    from scipy.sparse import csr_matrix

    hashtags = catalogue["hashtags"].combine_chunks()
    named = hashtags.flatten().dictionary_encode()
    if not len(named):
        return None
    sizes = hashtags.value_lengths().fill_null(0).to_numpy()
    rows = np.repeat(np.arange(len(sizes)), sizes)
    cells = (np.ones(len(rows)), (rows, named.indices.to_numpy()))
    of_videos = by_rows(csr_matrix(cells, shape=(len(sizes), len(named.dictionary))))
    videos = pd.Index(catalogue["video_id"].to_pandas())
    viewer, ids = pd.factorize(watched["user_id"].to_pandas(), sort=True)
    video = videos.get_indexer(watched["video_id"].to_pandas())
    kept = video >= 0
    seen = csr_matrix((np.ones(kept.sum()), (viewer[kept], video[kept])), shape=(len(ids), len(videos)))
    return Topics(videos, of_videos, pd.Index(ids), by_rows(seen @ of_videos))


def _topics(catalogue: pa.Table, watches: DataFrame, viewers: Sequence[str]) -> Topics | None:
    judged = watches.sparkSession.createDataFrame([(viewer,) for viewer in viewers], "user_id string")
    newest = Over.partitionBy("user_id").orderBy(F.col("started_at").desc(), "video_id")
    liked = (
        watches.where(~F.col("is_skipped"))
        .join(F.broadcast(judged), on="user_id", how="left_semi")
        .withColumn("n", F.row_number().over(newest))
        .where(F.col("n") <= PER_VIEWER)
    )
    return topics_of(catalogue, liked.select("user_id", "video_id").toArrow())
