"""Runs the candidate sources as Spark tasks, one for each snapshot and block of videos.

Belongs here: how the work is cut and sent. What one source proposes: sources/.

A moment is a row `user_id, at, snapshot_at`: one viewer at one instant, for whom what others did is known up to
`snapshot_at <= at`. Tonight has one moment per viewer; a training night has several per viewer, in the past. Every task
holds the World, some 20 bytes a watch, and the pairs of videos of its block only, so more watches mean more blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.ranking.sources import registry
from jobs.ranking.sources.snapshot import Moment, Snapshot, gather, take_snapshot
from jobs.ranking.sources.source import Found, Source
from jobs.ranking.watched import World, pack

if TYPE_CHECKING:
    import pandas as pd

MOMENT = ("user_id", "at")
# Pairs of videos that one task may hold: 16 bytes each in a sparse matrix, and as much again while it is built.
PAIRS_A_BLOCK = 25_000_000
# Moments asked at once: a source may score each of them against every video.
CHUNK = 256
# Proposals that leave a task as one frame; each holds up to the cap of its source in rows.
A_FRAME = 500
SCHEMA = "user_id string, at_us bigint, video_id string, source string, score double, rank int, because string"


class Proposal(NamedTuple):
    """What one source found at one moment."""

    moment: Moment
    source: str
    found: Found


def propose(watched: DataFrame, videos: DataFrame, moments: DataFrame, refused: DataFrame | None = None) -> DataFrame:
    """All sources' candidates: user_id, at, video_id, source, score, rank (1 = best), because (what it went by).

    `watched` as from first_watches, `videos` as silver.videos, `refused` as from refusals (None: nobody did). A viewer
    who had watched nothing before the moment gets candidates of the sources that need no history.
    """
    spark = watched.sparkSession
    at, snapshot_at = F.unix_micros("at").alias("at"), F.unix_micros("snapshot_at").alias("snapshot_at")
    rows = moments.select("user_id", at, snapshot_at).orderBy("user_id", "at").collect()
    world = pack(watched, videos, {row["user_id"] for row in rows}, refused)
    number = {viewer: n for n, viewer in enumerate(world.viewers)}
    asked: dict[int, list[Moment]] = {}
    for row in rows:
        asked.setdefault(row["snapshot_at"], []).append(Moment(number[row["user_id"]], row["at"]))
    sources = registry.SOURCES
    # There are no more pairs than the videos have, however much is watched.
    pairs = [min(len(world.video) * source.pairs_per_watch, len(world.videos) ** 2) for source in sources]
    blocks = 1 + sum(pairs) // PAIRS_A_BLOCK
    tasks = [(before, block) for before in sorted(asked) for block in range(blocks)]
    shared = spark.sparkContext.broadcast((world, asked))

    def propose_batches(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        packed, moments_before = shared.value
        for batch in batches:
            for task in batch["id"]:
                before, block = tasks[task]
                snapshot = take_snapshot(packed, before, block, blocks)
                yield from frames(packed, proposals(sources, snapshot, moments_before[before]))

    proposed = spark.range(0, len(tasks), 1, max(len(tasks), 1)).mapInPandas(propose_batches, SCHEMA)
    if blocks > 1:
        best = Over.partitionBy("user_id", "at_us", "source").orderBy(F.col("score").desc(), "rank", "video_id")
        caps = F.create_map(*[F.lit(x) for source in sources for x in (source.name, source.cap)])
        proposed = proposed.withColumn("rank", F.row_number().over(best)).where(F.col("rank") <= caps[F.col("source")])
    instant = F.timestamp_micros("at_us").alias("at")
    return proposed.select("user_id", instant, "video_id", "source", "score", "rank", "because")


def moments_at(viewers: DataFrame, at: datetime) -> DataFrame:
    """One moment for each user_id at the same instant, from which everything before it is known."""
    return viewers.select("user_id", F.lit(at).alias("at"), F.lit(at).alias("snapshot_at")).distinct()


def proposals(
    sources: Sequence[Source], snapshot: Snapshot, moments: list[Moment], explained: bool = True
) -> Iterator[Proposal]:
    """What each source proposes at each of the moments.

    Of a snapshot in blocks, each block has its own best of a source that keeps pairs of videos, and the first block all
    of the others.
    """
    asked = [source for source in sources if source.pairs_per_watch or snapshot.block == 0]
    learned = [(source.name, source.learn(snapshot)) for source in asked]
    for begin in range(0, len(moments), CHUNK):
        chunk = gather(snapshot.world, moments[begin : begin + CHUNK], explained)
        for name, find in learned:
            for moment, found in zip(chunk.moments, find(chunk), strict=True):
                yield Proposal(moment, name, found)


def frames(world: World, proposals: Iterable[Proposal]) -> Iterator[pd.DataFrame]:
    """The proposals as rows of SCHEMA, A_FRAME of them at a time: a task never holds all of its proposals."""
    # Arrow cannot tell the type of a column without values.
    filled = (p for p in proposals if len(p.found.videos))
    while every := list(islice(filled, A_FRAME)):
        yield _frame(world, every)


def _frame(world: World, every: list[Proposal]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    sizes = [len(p.found.videos) for p in every]
    return pd.DataFrame(
        {
            "user_id": np.repeat([world.viewers[p.moment.viewer] for p in every], sizes),
            "at_us": np.repeat([p.moment.at for p in every], sizes),
            "video_id": world.videos[np.concatenate([p.found.videos for p in every])],
            "source": np.repeat([p.source for p in every], sizes),
            "score": np.concatenate([p.found.scores for p in every]),
            "rank": np.concatenate([np.arange(1, n + 1, dtype=np.int32) for n in sizes]),
            "because": [b for p in every for b in p.found.because],
        }
    )
