"""What each viewer watched first when: the ground that candidates and examples stand on.

Belongs here: first watches as a table and, of some viewers, as arrays that a task can hold. Which viewers those are:
learn.py and propose.py. What is proposed from them: sources/. Features of viewers and videos by day: jobs/features/.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.features.hashtags import dated_hashtags
from jobs.media.status import Status

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csc_matrix, csr_matrix

# A watch of which nobody knows how much was seen says less than a finished one and more than a skipped one.
UNKNOWN_SHARE = 0.5
NEVER = np.iinfo(np.int64).max
# Before every instant.
ALWAYS = np.iinfo(np.int64).min
PAST = "user_id string, video_id string, at bigint, share double"
# What a row says that is no watch, no refusal and no moment.
MUTING = ("hashtag", "is_muted")


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


class Muting(NamedTuple):
    """What viewers muted or unmuted, oldest first: of viewer u at `starts[u]:starts[u + 1]`.

    A row is about a creator or about a hashtag, by their numbers; the other one is -1.
    """

    starts: NDArray[np.int64]
    at: NDArray[np.int64]
    creator: NDArray[np.int64]
    hashtag: NDArray[np.int64]
    is_muted: NDArray[np.bool_]

    def in_force(self, viewer: int, at: int) -> tuple[list[int], list[int]]:
        """The creators and the hashtags that a viewer had muted before an instant."""
        start, end = self.starts[viewer], self.starts[viewer + 1]
        newest = {
            (int(self.creator[n]), int(self.hashtag[n])): bool(self.is_muted[n])
            for n in range(start, start + int(np.searchsorted(self.at[start:end], at)))
        }
        muted = [about for about, is_muted in newest.items() if is_muted]
        return [creator for creator, _ in muted if creator >= 0], [hashtag for _, hashtag in muted if hashtag >= 0]


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
    muting: Muting | None = None  # None where nobody muted anything

    @cached_property
    def holders(self) -> csc_matrix:
        """`tagged` by hashtag: which videos have one."""
        return self.tagged.tocsc()


@dataclass(frozen=True)
class Catalogue:
    """All videos as arrays, some 200 bytes each: a World of `nobody`, and the creators' ids in their order."""

    nobody: World
    creators: NDArray[np.object_]

    def world_of(self, watches: pa.Table, refused: pa.Table | None = None, viewers: pa.Array | None = None) -> World:
        """The World of some viewers, by default of all who watched: only their rows count, each by a known video.

        `watches` has the columns of PAST in any order of rows, `refused` all of them but the share, and those of MUTING
        where something may have been muted; None: nobody refused anything.
        """
        ids = pa.array(self.nobody.videos, type=pa.string())
        asked = pc.unique(watches["user_id"]) if viewers is None else viewers
        everybody = np.sort(asked.to_numpy(zero_copy_only=False))
        who = pa.array(everybody, type=pa.string())
        viewer, video, rows = _numbered(watches, who, ids)
        order = np.lexsort((video, rows["at"].to_numpy(), viewer))
        no_more = watches.slice(0, 0) if refused is None else refused
        muting = None
        if "is_muted" in no_more.column_names:
            is_video = no_more["is_muted"].is_null()
            muting = self._muting(no_more.filter(pc.invert(is_video)), who, ids)
            no_more = no_more.filter(is_video)
        refuser, unwanted, no = _numbered(no_more, who, ids)
        by_viewer = np.lexsort((unwanted, refuser))
        places = np.arange(len(everybody) + 1)
        makes = pc.index_in(who, value_set=pa.array(self.creators, type=pa.string()))
        return replace(
            self.nobody,
            viewers=everybody,
            starts=np.searchsorted(viewer[order], places).astype(np.int64),
            video=video[order],
            at=rows["at"].to_numpy()[order],
            share=rows["share"].to_numpy()[order],
            refused_starts=np.searchsorted(refuser[by_viewer], places).astype(np.int64),
            refused=unwanted[by_viewer],
            refused_at=no["at"].to_numpy()[by_viewer],
            makes=pc.fill_null(makes, -1).to_numpy(zero_copy_only=False).astype(np.int64),
            muting=muting,
        )

    def _muting(self, rows: pa.Table, who: pa.Array, ids: pa.Array) -> Muting | None:
        """A video or a hashtag that is not in the catalogue says nothing."""
        viewer, video = pc.index_in(rows["user_id"], value_set=who), pc.index_in(rows["video_id"], value_set=ids)
        hashtag = pc.index_in(rows["hashtag"], value_set=pa.array(self.nobody.hashtags, type=pa.string()))
        creator = pa.array(self.nobody.creator).take(video.combine_chunks())
        of_creator = pc.if_else(rows["hashtag"].is_null(), creator, pa.scalar(None, pa.int64()))
        found = pa.table(
            {
                "viewer": viewer,
                "at": rows["at"],
                "creator": pc.fill_null(of_creator, -1),
                "hashtag": pc.fill_null(hashtag, -1),
                "is_muted": rows["is_muted"],
            }
        )
        found = found.filter((pc.field("creator") >= 0) | (pc.field("hashtag") >= 0)).filter(pc.field("viewer") >= 0)
        if not len(found):
            return None
        # Of two at one instant a mute holds.
        found = found.sort_by([("viewer", "ascending"), ("at", "ascending"), ("is_muted", "ascending")])
        columns = {name: found[name].to_numpy() for name in found.column_names}
        starts = np.searchsorted(columns["viewer"], np.arange(len(who) + 1)).astype(np.int64)
        return Muting(starts, columns["at"], columns["creator"], columns["hashtag"], columns["is_muted"])


def past(watched: DataFrame) -> DataFrame:
    """first_watches or refusals with the columns of PAST: `at` in microseconds, `share` NULL for a refusal.

    And with those of MUTING, if there are any.
    """
    share = F.col("share") if "share" in watched.columns else F.lit(None).cast("double").alias("share")
    muting = [name for name in MUTING if name in watched.columns]
    return watched.select("user_id", "video_id", F.unix_micros("at").alias("at"), share, *muting)


def catalogue_of(videos: DataFrame) -> Catalogue:
    """silver.videos as arrays, in this process."""
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
    creators, creator = np.unique(catalogue["user_id"].to_numpy(dtype=object), return_inverse=True)
    lists = catalogue["hashtags"]
    sizes = np.array([len(tags) for tags in lists], dtype=np.int64)
    flat = np.array([tag for tags in lists for tag in tags], dtype=object)
    given = np.array([at for times in catalogue["given"] for at in times], dtype=np.int64)
    hashtags, tag = np.unique(flat, return_inverse=True) if flat.size else (flat, np.zeros(0, np.int64))
    holders = np.repeat(np.arange(len(ids)), sizes)
    none = np.zeros(0, dtype=np.int64)
    nobody = World(
        viewers=np.zeros(0, dtype=object),
        videos=ids,
        starts=np.zeros(1, dtype=np.int64),
        video=none,
        at=none,
        share=np.zeros(0),
        published=catalogue["published"].to_numpy(dtype=np.int64),
        creator=creator.astype(np.int64),
        hashtags=hashtags,
        refused_starts=np.zeros(1, dtype=np.int64),
        refused=none,
        refused_at=none,
        makes=none,
        tagged=csr_matrix((given, (holders, tag)), shape=(len(ids), max(len(hashtags), 1))),
    )
    return Catalogue(nobody, creators)


def _numbered(rows: pa.Table, who: pa.Array, ids: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64], pa.Table]:
    """The rows of these viewers by these videos, and the numbers of both."""
    viewer, video = pc.index_in(rows["user_id"], value_set=who), pc.index_in(rows["video_id"], value_set=ids)
    kept = pc.and_(pc.is_valid(viewer), pc.is_valid(video))
    numbers = [column.filter(kept).to_numpy().astype(np.int64) for column in (viewer, video)]
    return numbers[0], numbers[1], rows.select(["at", "share"]).filter(kept)
