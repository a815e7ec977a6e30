"""Runs the candidate sources as Spark tasks, one for each snapshot and block of videos.

Belongs here: how the work is cut and sent. What a source proposes: sources/.

A moment is a row `user_id, at, snapshot_at`: one viewer at one instant, for whom what others did is known up to
`snapshot_at <= at`. Tonight has one moment per viewer; a training night has several per viewer, in the past. Every task
holds the World, some 20 bytes a watch, and the similarities of its block only, so more watches mean more blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.ranking.sources import together
from jobs.ranking.sources.item_item import NEXT
from jobs.ranking.sources.source import CAPS, Moment, Proposal
from jobs.ranking.watched import World, pack

if TYPE_CHECKING:
    import pandas as pd

MOMENT = ("user_id", "at")
# Pairs of videos that one task may hold: 16 bytes each in a sparse matrix, and as much again while it is built.
PAIRS_A_BLOCK = 25_000_000
# Proposals that leave a task as one frame; each holds up to 150 rows.
A_FRAME = 500
SCHEMA = "user_id string, at_us bigint, video_id string, source string, score double, rank int, because string"


def propose(watched: DataFrame, videos: DataFrame, moments: DataFrame, refused: DataFrame | None = None) -> DataFrame:
    """All sources' candidates: user_id, at, video_id, source, score, rank (1 = best), because.

    `watched` as from first_watches, `videos` as silver.videos, `refused` as from refusals (None: nobody did). `because`
    is what the source went by: a video (item_item), a number of days (popular), a hashtag or NULL (fresh). A viewer who
    had watched nothing before the moment gets candidates from popular and fresh.
    """
    spark = watched.sparkSession
    at, snapshot_at = F.unix_micros("at").alias("at"), F.unix_micros("snapshot_at").alias("snapshot_at")
    rows = moments.select("user_id", at, snapshot_at).orderBy("user_id", "at").collect()
    world = pack(watched, videos, {row["user_id"] for row in rows}, refused)
    number = {user: n for n, user in enumerate(world.users)}
    asked: dict[int, list[Moment]] = {}
    for row in rows:
        asked.setdefault(row["snapshot_at"], []).append(Moment(number[row["user_id"]], row["at"]))
    # There are no more pairs than the videos have, however much is watched.
    pairs = min(len(world.video) * NEXT, len(world.videos) ** 2)
    blocks = 1 + pairs // PAIRS_A_BLOCK
    tasks = [(known_at, block) for known_at in sorted(asked) for block in range(blocks)]
    shared = spark.sparkContext.broadcast((world, asked))

    def run(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        known_world, known_moments = shared.value
        for batch in batches:
            for task in batch["id"]:
                known_at, block = tasks[task]
                known = together.snapshot(known_world, known_at, block, blocks)
                yield from frames(known_world, together.propose(known_world, known, known_moments[known_at], block))

    proposed = spark.range(0, len(tasks), 1, max(len(tasks), 1)).mapInPandas(run, SCHEMA)
    if blocks > 1:
        best = Over.partitionBy("user_id", "at_us", "source").orderBy(F.col("score").desc(), "rank", "video_id")
        caps = F.create_map(*[F.lit(x) for source, cap in CAPS.items() for x in (source, cap)])
        proposed = proposed.withColumn("rank", F.row_number().over(best)).where(F.col("rank") <= caps[F.col("source")])
    instant = F.timestamp_micros("at_us").alias("at")
    return proposed.select("user_id", instant, "video_id", "source", "score", "rank", "because")


def moments_at(viewers: DataFrame, at: datetime) -> DataFrame:
    """One moment for each user_id at the same instant, from which everything before it is known."""
    return viewers.select("user_id", F.lit(at).alias("at"), F.lit(at).alias("snapshot_at")).distinct()


def frames(world: World, proposals: Iterable[Proposal]) -> Iterator[pd.DataFrame]:
    """The proposals as rows of SCHEMA, A_FRAME of them at a time: a task never holds all of its proposals."""
    # Arrow cannot tell the type of a column without values.
    filled = (p for p in proposals if len(p.videos))
    while every := list(islice(filled, A_FRAME)):
        yield _frame(world, every)


def _frame(world: World, every: list[Proposal]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    sizes = [len(p.videos) for p in every]
    return pd.DataFrame(
        {
            "user_id": np.repeat([world.users[p.moment.user] for p in every], sizes),
            "at_us": np.repeat([p.moment.at for p in every], sizes),
            "video_id": world.videos[np.concatenate([p.videos for p in every])],
            "source": np.repeat([p.source for p in every], sizes),
            "score": np.concatenate([p.scores for p in every]),
            "rank": np.concatenate([np.arange(1, n + 1, dtype=np.int32) for n in sizes]),
            "because": [b for p in every for b in p.because],
        }
    )
