"""Asks the candidate sources, as Spark tasks that each have some viewers with all that those did.

Belongs here: how the work is cut and sent. What the sources learn before: learn.py. What one source proposes: sources/.

A moment is a row `user_id, at, snapshot_at`: one viewer at one instant, for whom what others did is known up to
`snapshot_at <= at`. Tonight has one moment per viewer; a training night has several per viewer, in the past. What
viewers watched and refused comes to lie together with their moments, in one exchange; a task holds AT_ONCE rows of it,
the catalogue, and maps what was learned (learn.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial, reduce
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.batches import whole_groups
from jobs.ranking.learn import Learned, learn
from jobs.ranking.sources import registry
from jobs.ranking.sources.snapshot import Chunk, Moment, Snapshot, gather
from jobs.ranking.sources.source import Found, Propose, Source
from jobs.ranking.watched import Catalogue, World, catalogue_of, past

MOMENT = ("user_id", "at")
# Rows of watches, refusals and moments that a task holds at once. Each time the ids of all videos are hashed.
AT_ONCE = 200_000
# Moments asked at once, at most: a source may score each of them against every video.
CHUNK, CELLS = 256, 25_600_000
# Proposals that leave a task as one batch; each holds up to the cap of its source in rows.
A_BATCH = 500
# Moments of a task: it takes seconds, so that a killed one loses little. All cores take part from FEWEST on.
MOMENTS_A_TASK, FEWEST = 5000, 128
# Where there are so many watches for each moment, the others are left out before anything is exchanged.
ASKED_FEW = 1000
SCHEMA = "user_id string, at_us bigint, video_id string, source string, score double, rank int, because string"


Known = list[tuple[Source, Propose]]
Work = Callable[[Known, World, list[Moment]], Iterator[pa.RecordBatch]]


class Sizes(NamedTuple):
    """How many first watches there are, and of each snapshot how many moments are asked."""

    watches: int
    asked: dict[int, int]


class Proposal(NamedTuple):
    """What one source found at one moment."""

    moment: Moment
    source: str
    found: Found


def propose(watched: DataFrame, videos: DataFrame, moments: DataFrame, refused: DataFrame | None = None) -> DataFrame:
    """All sources' candidates: user_id, at, video_id, source, score, rank (1 = best), because (what it went by).

    `watched` as from first_watches, `videos` as silver.videos, `refused` as from kept_away (None: nobody did). A viewer
    who had watched nothing before the moment gets candidates of the sources that need no history.
    """
    sizes = sizes_of(watched, moments)
    learned = learn(registry.SOURCES, watched, catalogue_of(videos), sizes.asked, sizes.watches)

    def propose_to(known: Known, world: World, some: list[Moment]) -> Iterator[pa.RecordBatch]:
        return frames(world, proposed(known, world, some))

    every = of_viewers(learned, watched, moments, refused, sizes, propose_to, SCHEMA)
    instant = F.timestamp_micros("at_us").alias("at")
    return every.select("user_id", instant, "video_id", "source", "score", "rank", "because")


def sizes_of(watched: DataFrame, moments: DataFrame) -> Sizes:
    """How much work there is, of first_watches and moments."""
    size = F.count(F.lit(1)).alias("rows")
    by_snapshot = moments.groupBy(F.unix_micros("snapshot_at").alias("snapshot")).agg(size)
    watches = watched.select(F.lit(None).cast("bigint").alias("snapshot")).groupBy("snapshot").agg(size)
    rows = {row["snapshot"]: row["rows"] for row in by_snapshot.unionByName(watches).collect()}
    return Sizes(watches=rows.pop(None, 0), asked=rows)


def of_viewers(
    learned: Learned,
    watched: DataFrame,
    moments: DataFrame,
    refused: DataFrame | None,
    sizes: Sizes,
    work: Work,
    schema: str,
) -> DataFrame:
    """What the work makes of the moments, with all that their viewers watched and refused: rows of the schema."""
    done = [past(watched)] if refused is None else [past(watched), past(refused)]
    before = reduce(partial(DataFrame.unionByName, allowMissingColumns=True), done)
    asked = sum(sizes.asked.values())
    if asked * ASKED_FEW < sizes.watches:
        before = before.join(F.broadcast(moments.select("user_id").distinct()), on="user_id", how="left_semi")
    when = moments.select("user_id", F.unix_micros("at").alias("at"), F.unix_micros("snapshot_at").alias("snapshot"))
    rows = before.unionByName(when, allowMissingColumns=True)
    cores = watched.sparkSession.sparkContext.defaultParallelism
    tasks = max(min(cores, -(-asked // FEWEST)), -(-asked // MOMENTS_A_TASK), 1)

    def work_on(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        known: dict[int, Known] = {}
        for together in whole_groups(batches, "user_id", AT_ONCE):
            world, asked_of = _asked(together, learned.catalogue.value)
            for snapshot, some in asked_of.items():
                if snapshot not in known:
                    known[snapshot] = learned.of(snapshot)
                yield from work(known[snapshot], world, some)

    # By a hash first, which tells viewers apart by comparing numbers.
    by_viewer = rows.repartition(tasks, "user_id").sortWithinPartitions(F.xxhash64("user_id"), "user_id")
    return by_viewer.mapInArrow(work_on, schema)


def moments_at(viewers: DataFrame, at: datetime) -> DataFrame:
    """One moment for each user_id at the same instant, from which everything before it is known."""
    return viewers.select("user_id", F.lit(at).alias("at"), F.lit(at).alias("snapshot_at")).distinct()


def proposals(
    sources: Sequence[Source], snapshot: Snapshot, moments: list[Moment], explained: bool = True
) -> Iterator[Proposal]:
    """What each source learns of a snapshot in this process, and proposes at each of the moments."""
    learned = [(source, source.learn(snapshot)) for source in sources]
    return proposed(learned, snapshot.world, moments, explained)


def proposed(
    learned: Sequence[tuple[Source, Propose]], world: World, moments: list[Moment], explained: bool = True
) -> Iterator[Proposal]:
    """What the sources propose at each of the moments of viewers of this world."""
    for some in chunks(world, moments, explained):
        for source, find in learned:
            for moment, found in zip(some.moments, find(some), strict=True):
                yield Proposal(moment, source.name, found)


def chunks(world: World, moments: list[Moment], explained: bool = True) -> Iterator[Chunk]:
    """The moments, as many at once as the catalogue allows."""
    many = max(1, min(CHUNK, CELLS // max(len(world.videos), 1)))
    return (gather(world, moments[begin : begin + many], explained) for begin in range(0, len(moments), many))


def frames(world: World, proposals: Iterable[Proposal]) -> Iterator[pa.RecordBatch]:
    """The proposals as rows of SCHEMA, A_BATCH of them at a time: a task never holds all of its proposals."""
    while every := list(islice(proposals, A_BATCH)):
        yield _batch(world, every)


def _asked(together: pa.Table, catalogue: Catalogue) -> tuple[World, dict[int, list[Moment]]]:
    """The World of the viewers who have moments in these rows, and their moments by snapshot."""
    is_moment, is_watch = together["snapshot"].is_valid(), together["share"].is_valid()
    moments = together.filter(is_moment)
    is_refusal = pc.invert(pc.or_(is_moment, is_watch))
    viewers = pc.unique(moments["user_id"])
    world = catalogue.world_of(together.filter(is_watch), together.filter(is_refusal), viewers)
    number = pc.index_in(moments["user_id"], value_set=pa.array(world.viewers, type=pa.string())).to_pylist()
    asked: dict[int, list[Moment]] = {}
    for snapshot, viewer, at in sorted(
        zip(moments["snapshot"].to_pylist(), number, moments["at"].to_pylist(), strict=True)
    ):
        asked.setdefault(snapshot, []).append(Moment(viewer, at))
    return world, asked


def _batch(world: World, every: list[Proposal]) -> pa.RecordBatch:
    sizes = [len(p.found.videos) for p in every]
    named = {
        "user_id": np.repeat([world.viewers[p.moment.viewer] for p in every], sizes),
        "at_us": np.repeat([p.moment.at for p in every], sizes),
        "video_id": world.videos[np.concatenate([p.found.videos for p in every])],
        "source": np.repeat([p.source for p in every], sizes),
        "score": np.concatenate([p.found.scores for p in every]),
        "rank": np.concatenate([np.arange(1, n + 1, dtype=np.int32) for n in sizes]),
        "because": [b for p in every for b in p.found.because],
    }
    text = {"user_id", "video_id", "source", "because"}
    columns = [pa.array(values, type=pa.string() if name in text else None) for name, values in named.items()]
    return pa.RecordBatch.from_arrays(columns, names=list(named))
