"""What each viewer watched first when: the ground that candidates and examples stand on.

Belongs here: first watches as a table and, packed, as arrays that every task can hold. What is proposed from them:
sources/. Features of viewers and videos by day: jobs/features/.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.features.hashtags import dated_hashtags
from jobs.media.status import Status

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

# A watch of which nobody knows how much was seen says less than a finished one and more than a skipped one.
UNKNOWN_SHARE = 0.5
NEVER = np.iinfo(np.int64).max
# Before every instant.
ALWAYS = np.iinfo(np.int64).min


def first_watches(watches: DataFrame) -> DataFrame:
    """silver.watches to one row per viewer and video: user_id, video_id, at, share (0..1), n (1 = their first video).

    The first watch, not the last: what was the first before a moment stays it whatever comes later, so a table of
    first watches can be cut at any moment without another pass.
    """
    share = F.least(F.coalesce("share_watched", F.lit(UNKNOWN_SHARE)), F.lit(1.0))
    first = watches.groupBy("user_id", "video_id").agg(F.min(F.struct("started_at", share.alias("share"))).alias("w"))
    order = Over.partitionBy("user_id").orderBy("at", "video_id")
    return (
        first.select("user_id", "video_id", F.col("w.started_at").alias("at"), F.col("w.share").alias("share"))
        .withColumn("n", F.row_number().over(order))
        .select("user_id", "video_id", "at", "share", "n")
    )


@dataclass(frozen=True)
class World:
    """First watches and videos as arrays: some 20 bytes a watch. Viewers and videos are numbered in the order of ids.

    `at` and `published` are microseconds since 1970, UTC; `published` is NEVER for what may not be proposed. The
    watches of viewer u are `starts[u]:starts[u + 1]`, oldest first; what u refused and when lies in `refused` and
    `refused_at` at `refused_starts[u]:refused_starts[u + 1]`. `makes` is u's number among the creators, -1 for none.
    """

    viewers: NDArray[np.object_]
    videos: NDArray[np.object_]
    starts: NDArray[np.int64]
    video: NDArray[np.int64]
    at: NDArray[np.int64]
    share: NDArray[np.float64]
    published: NDArray[np.int64]
    creator: NDArray[np.int64]
    hashtags: NDArray[np.object_]
    refused_starts: NDArray[np.int64]
    refused: NDArray[np.int64]
    refused_at: NDArray[np.int64]
    makes: NDArray[np.int64]
    tagged: csr_matrix  # videos x hashtags: when a video got the hashtag, in microseconds; ALWAYS if with the upload
    content: NDArray[np.float32] | None = None  # videos x anything: what a video is like, rows of length 1 or 0
    repeats: bool = False  # whether viewers may be proposed what they have watched; never on the platform


def pack(watched: DataFrame, videos: DataFrame, viewers: Collection[str], refused: DataFrame | None = None) -> World:
    """first_watches and silver.videos to a World, in which the viewers are too, watched they anything or not.

    `refused` as from refusals; None where nobody refused anything.
    """
    from scipy.sparse import csr_matrix

    catalogue: pd.DataFrame = videos.select(
        "video_id",
        "user_id",
        F.transform(dated_hashtags(), lambda tag: tag["hashtag"]).alias("hashtags"),
        F.transform(dated_hashtags(), lambda tag: F.coalesce(F.unix_micros(tag["given_at"]), F.lit(int(ALWAYS)))).alias(
            "given"
        ),
        F.when(F.col("status") == Status.PUBLISHED, F.unix_micros("published_at"))
        .otherwise(int(NEVER))
        .alias("published"),
    ).toPandas()
    catalogue = catalogue.sort_values("video_id", ignore_index=True)
    ids = catalogue["video_id"].to_numpy(dtype=object)
    rows: pd.DataFrame = watched.select("user_id", "video_id", F.unix_micros("at").alias("at"), "share", "n").toPandas()
    rows = rows[rows["video_id"].isin(set(ids))].sort_values(["user_id", "n"], ignore_index=True)
    everybody = np.array(sorted({*rows["user_id"], *viewers}), dtype=object)
    viewer = np.searchsorted(everybody, rows["user_id"].to_numpy(dtype=object))
    no = (
        rows.iloc[:0]
        if refused is None
        else refused.select("user_id", "video_id", F.unix_micros("at").alias("at")).toPandas()
    )
    no = no[no["user_id"].isin(set(everybody)) & no["video_id"].isin(set(ids))].sort_values(["user_id", "video_id"])
    refuser = np.searchsorted(everybody, no["user_id"].to_numpy(dtype=object))
    creators, creator = np.unique(catalogue["user_id"].to_numpy(dtype=object), return_inverse=True)
    number = {name: n for n, name in enumerate(creators)}
    lists = catalogue["hashtags"]
    sizes = np.array([len(tags) for tags in lists], dtype=np.int64)
    flat = np.array([tag for tags in lists for tag in tags], dtype=object)
    given = np.array([at for times in catalogue["given"] for at in times], dtype=np.int64)
    hashtags, tag = np.unique(flat, return_inverse=True) if flat.size else (flat, np.zeros(0, np.int64))
    holders = np.repeat(np.arange(len(ids)), sizes)
    return World(
        viewers=everybody,
        videos=ids,
        starts=np.searchsorted(viewer, np.arange(len(everybody) + 1)).astype(np.int64),
        video=np.searchsorted(ids, rows["video_id"].to_numpy(dtype=object)).astype(np.int64),
        at=rows["at"].to_numpy(dtype=np.int64),
        share=rows["share"].to_numpy(dtype=np.float64),
        published=catalogue["published"].to_numpy(dtype=np.int64),
        creator=creator.astype(np.int64),
        hashtags=hashtags,
        refused_starts=np.searchsorted(refuser, np.arange(len(everybody) + 1)).astype(np.int64),
        refused=np.searchsorted(ids, no["video_id"].to_numpy(dtype=object)).astype(np.int64),
        refused_at=no["at"].to_numpy(dtype=np.int64),
        makes=np.array([number.get(name, -1) for name in everybody], dtype=np.int64),
        tagged=csr_matrix((given, (holders, tag)), shape=(len(ids), max(len(hashtags), 1))),
    )
