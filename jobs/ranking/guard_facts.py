"""What the guards look at lists by: whose videos they are, which creators are small, what judged viewers had watched.

Belongs here: reading that from the lake, as it was before the judged days, and keeping it beside what the stages that
make the lists know (stages/known.py). The measures and their limits: guards.py.

The driver holds a row for each published video and for each creator, and the newest PER_VIEWER watches of each judged
viewer, of whom there are at most some thousands (moments.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.media.status import published
from jobs.ranking.sources.walk import by_rows
from jobs.ranking.stages.known import least_watched, videos_of
from jobs.ranking.stages.stage import Videos

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

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
    """The creator of every published video; the small creators; None for topics where no video has a hashtag.

    `known` has what stages know of the same videos, in the order of `creators`; by default no more than these.
    """

    creators: Mapping[str, str]
    small: frozenset[str] = field(default_factory=frozenset)
    topics: Topics | None = None
    known: Videos | None = None

    @cached_property
    def videos(self) -> Videos:
        return self.known or Videos(np.unique(list(self.creators.values()), return_inverse=True)[1].astype(np.int64))


def guard_facts(watches: DataFrame, videos: DataFrame, viewers: Sequence[str], known: DataFrame) -> GuardFacts:
    """Of silver.watches before the judged days, silver.videos as they are known, and the judged viewers.

    `known` has what was known of the videos then, as from `looked_up`.
    """
    listed = published(videos)
    stated = listed.select("video_id", "user_id", F.col("hashtags").alias("hashtags_now"))
    catalogue = stated.join(known, on="video_id", how="inner").toArrow().sort_by("video_id")
    creators = dict(zip(catalogue["video_id"].to_pylist(), catalogue["user_id"].to_pylist(), strict=True))
    by_video = watches.groupBy("video_id").count()
    by_creator = by_video.join(listed.select("video_id", "user_id"), on="video_id").groupBy("user_id").sum("count")
    watched = {row[0]: row[1] for row in by_creator.toLocalIterator()}
    hashtags = catalogue.select(["video_id", "hashtags_now"]).rename_columns(["video_id", "hashtags"])
    topics = _topics(hashtags, watches, viewers)
    return GuardFacts(creators, small_creators(creators, watched), topics, videos_of(catalogue))


def small_creators(creators: Mapping[str, str], watches: Mapping[str, int]) -> frozenset[str]:
    """Of the creators of videos those who share the last TAIL of all watches; nobody where there are none."""
    known = np.array(sorted(set(creators.values())), dtype=object)
    counts = np.array([watches.get(creator, 0) for creator in known], dtype=np.int64)
    return frozenset(known[least_watched(np.arange(len(known)), counts)])


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
