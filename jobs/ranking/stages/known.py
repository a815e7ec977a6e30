"""What stages know of videos: looked up in the lake as of an instant, and laid out as arrays.

Belongs here: that, for the feeds of a night and for the lists that the gate judges alike. What a stage makes of it: its
own module.
"""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.lake import Lake
from jobs.engine.runs import done_until
from jobs.engine.window import HOUR
from jobs.features import trending
from jobs.features.hashtags import dated_hashtags
from jobs.ranking.sources.factors import FACTORS
from jobs.ranking.stages.stage import Need, Videos
from serving.feed_store.shapes import TrendingKind

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

UPLOADS, COUNTS, VECTORS = "bronze.uploads", "gold.video_daily", "gold.embeddings"
# What a job reads for stages, beside silver.videos: as it is, and as earlier nights left it.
READS, RECALLS = (UPLOADS, COUNTS, trending.TRENDING), (VECTORS,)
# What rose before that rises no more, where the hourly jobs stand still.
LATELY = timedelta(days=1)
# Creators are small who share the last fifth of all watches: on every platform there are some, and slots that follow
# the watches would give them a fifth.
TAIL = 0.2


def looked_up(lake: Lake, videos: DataFrame, at: datetime, needs: Set[Need]) -> DataFrame:
    """silver.videos as video_id, creator, and a column for each of `needs`, with what was known of it at an instant.

    A table that is not there yet says nothing. Vectors are those of the newest night before.
    """
    had = F.filter(dated_hashtags(), lambda tag: tag["given_at"].isNull() | (tag["given_at"] < F.lit(at)))
    own = [F.transform(had, lambda tag: tag["hashtag"]).alias("hashtags")] if "hashtags" in needs else []
    found = videos.select("video_id", F.col("user_id").alias("creator"), *own)
    for more in _tables(lake, at, needs):
        found = found.join(more, on="video_id", how="left")
    return found


def _tables(lake: Lake, at: datetime, needs: Set[Need]) -> list[DataFrame]:
    """Of each table that is needed and there, a row for some of the videos."""
    found = []
    if "sounds" in needs and lake.exists(UPLOADS):
        uploads = lake.read(UPLOADS).where(F.col("sound_id").isNotNull())
        found.append(uploads.select(F.col("upload_id").alias("video_id"), F.col("sound_id").alias("sounds")))
    if "viewers" in needs and lake.exists(COUNTS):
        counts = lake.newest(COUNTS, by=["video_id"], until=at)
        found.append(counts.select("video_id", F.col("viewers_total").alias("viewers"), "views_total"))
    if "rising" in needs and lake.exists(trending.TRENDING):
        # By when it was looked at: an hour in which nothing rises has no row.
        end = done_until(trending.run.name, at, lake.settings)
        since = at if end is None or end < at - LATELY else end - HOUR
        listed = lake.read(trending.TRENDING, since=since, until=end or at).where(F.col("kind") == TrendingKind.VIDEOS)
        found.append(listed.select(F.col("id").alias("video_id"), F.col("rank").alias("rising")))
    if "vectors" in needs and lake.exists(VECTORS):
        nights = lake.read(VECTORS, until=at.date() - timedelta(days=1)).where(
            (F.col("kind") == "video") & (F.col("model") == FACTORS.name)
        )
        newest = nights.agg(F.max("event_date").alias("event_date"))
        learned = nights.join(newest, on="event_date", how="inner")
        found.append(learned.select(F.col("id").alias("video_id"), F.col("vector").alias("vectors")))
    return found


def videos_of(known: pa.Table) -> Videos:
    """The rows of `looked_up` as arrays, in their order, whatever else they have."""
    columns = {name: known[name].combine_chunks() for name in known.column_names}
    creators = _numbers(columns["creator"])
    viewers = _counts(columns["viewers"]) if "viewers" in columns else None
    return Videos(
        creators=creators,
        hashtags=_hashtags(columns["hashtags"]) if "hashtags" in columns else None,
        sounds=_numbers(columns["sounds"]) if "sounds" in columns else None,
        vectors=_directions(columns["vectors"]) if "vectors" in columns else None,
        rising=_counts(columns["rising"]) if "rising" in columns else None,
        viewers=viewers,
        small=None if viewers is None else least_watched(creators, _counts(columns["views_total"]))[creators],
    )


def least_watched(creators: NDArray[np.int64], watches: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of each creator, whether they are small: of the creators of videos and how often each video was watched.

    Of equal creators the first ones are not. Where nothing was watched nobody is.
    """
    counts = np.bincount(creators, watches).astype(np.int64)
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    small = np.zeros(len(counts), dtype=np.bool_)
    small[order] = (before >= (1 - TAIL) * counts.sum()) & counts.any()
    return small


def _numbers(names: pa.Array) -> NDArray[np.int64]:
    """Names as numbers, in the order in which they appear; -1 for NULL."""
    numbers: NDArray[np.int64] = names.dictionary_encode().indices.fill_null(-1).to_numpy().astype(np.int64)
    return numbers


def _counts(numbers: pa.Array) -> NDArray[np.int64]:
    """0 for NULL."""
    counts: NDArray[np.int64] = numbers.fill_null(0).to_numpy().astype(np.int64)
    return counts


def _hashtags(lists: pa.Array) -> csr_matrix | None:
    from scipy.sparse import csr_matrix

    named = lists.flatten().dictionary_encode()
    ends = np.append(0, np.cumsum(lists.value_lengths().fill_null(0).to_numpy()))
    cells = (np.ones(len(named), dtype=np.int8), named.indices.to_numpy().astype(np.int64), ends)
    return csr_matrix(cells, shape=(len(lists), len(named.dictionary))) if len(named) else None


def _directions(vectors: pa.Array) -> NDArray[np.float16] | None:
    """Rows of length 1, of zeros for NULL."""
    is_there = vectors.is_valid().to_numpy(zero_copy_only=False)
    if not is_there.any():
        return None
    learned = vectors.flatten().to_numpy().astype(np.float32).reshape(np.count_nonzero(is_there), -1)
    found = np.zeros((len(vectors), learned.shape[1]), dtype=np.float16)
    found[is_there] = learned / np.linalg.norm(learned, axis=1, keepdims=True)
    return found
