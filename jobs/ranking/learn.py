"""Lets the candidate sources learn, as Spark tasks that leave what they learned in files.

Belongs here: what they learn from, how that is cut, and where it lies. What one source learns: sources/. Who is then
asked, and what becomes of it: propose.py.

Sources learn from all watches where there are at most LEARNED_FROM, else from those of some viewers, all of theirs, by
a hash; what is counted counts as if all were there (docs/decisions/0021). So no task holds more than that, 30 bytes a
watch, and the pairs of videos of its block, and what is learned does not grow with viewers. No watch passes through the
driver: one task lays them out in a file, and those that learn map it. All machines of a cluster see the folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.host import mapped, scratch
from jobs.ranking.sources.snapshot import take_snapshot
from jobs.ranking.sources.source import Propose, Source
from jobs.ranking.watched import Catalogue, past

LEARNED_FROM = 20_000_000
# Of viewers, those are learned from whose hash is below a number of these.
SHARES = 1_000_000
# Other than the hash by which moments are drawn (moments.py), or who judges would be who is learned from.
SALT = 21
# Pairs of videos that one task may hold: 16 bytes each in a sparse matrix, and as much again while it is built.
PAIRS_A_BLOCK = 25_000_000


@dataclass(frozen=True)
class Learned:
    """What each source learned of snapshots (by their instant in microseconds): a file for each block of a snapshot."""

    sources: tuple[Source, ...]
    catalogue: Broadcast[Catalogue]
    place: Path
    blocks: dict[int, int]

    def of(self, snapshot: int) -> list[tuple[Source, Propose]]:
        """What each source knows; arrays stay in the files until they are looked at."""
        files = [mapped.load(_file(self.place, snapshot, block)) for block in range(self.blocks[snapshot])]
        parts = ((source, [file[source.name] for file in files if source.name in file]) for source in self.sources)
        return [(source, source.join(learned)) for source, learned in parts]


def learn(
    sources: Sequence[Source], watched: DataFrame, catalogue: Catalogue, snapshots: Iterable[int], watches: int
) -> Learned:
    """Let the sources learn each of the snapshots from first_watches, of which there are so many.

    The files are there until the process ends, or the run that it works on.
    """
    shared = watched.sparkSession.sparkContext.broadcast(catalogue)
    place = scratch.of_a_run("learned")
    blocks: dict[int, int] = {}
    for share, ats in _worlds(watched, sorted(snapshots), watches).items():
        world = place / f"world-{share}"
        packed = _pack(watched, shared, ats[-1], share, world)
        # There are no more pairs than the videos have, however much is watched.
        pairs = [min(packed * s.pairs_per_watch, len(catalogue.nobody.videos) ** 2) for s in sources]
        cut = 1 + sum(pairs) // PAIRS_A_BLOCK
        _learn(sources, watched, world, [(at, block) for at in ats for block in range(cut)], cut, SHARES / share)
        world.unlink()
        blocks |= dict.fromkeys(ats, cut)
    return Learned(tuple(sources), shared, place, blocks)


def draw(viewer: str) -> Column:
    """The number of a viewer: of every viewer's watches, those of the lowest ones are learned from."""
    return F.pmod(F.xxhash64(viewer, F.lit(SALT)), F.lit(SHARES))


def _worlds(watched: DataFrame, snapshots: list[int], watches: int) -> dict[int, list[int]]:
    """The snapshots, in order, by how many of SHARES of the viewers they are learned from.

    By what was watched before each of them: how much is watched later changes nothing.
    """
    shares = dict.fromkeys(snapshots, SHARES)
    if watches > LEARNED_FROM:
        before = [F.count_if(F.unix_micros("at") < at) for at in snapshots]
        counts = watched.agg(*before).collect()[0]
        shares = {at: min(SHARES, SHARES * LEARNED_FROM // max(n, 1)) for at, n in zip(snapshots, counts, strict=True)}
    worlds: dict[int, list[int]] = {}
    for at, share in shares.items():
        worlds.setdefault(share, []).append(at)
    return worlds


def _pack(watched: DataFrame, shared: Broadcast[Catalogue], until: int, share: int, world: Path) -> int:
    """Write the World of these viewers as of an instant to a file; returns how many watches it has."""
    chosen = watched.where(F.unix_micros("at") < until)
    if share < SHARES:
        chosen = chosen.where(draw("user_id") < share)
    rows = past(chosen)
    schema = pa.schema(
        [("user_id", pa.string()), ("video_id", pa.string()), ("at", pa.int64()), ("share", pa.float64())]
    )

    def lay_out(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # The schema that comes says besides which columns are never NULL.
        held = list(batches)
        packed = shared.value.world_of(pa.Table.from_batches(held) if held else schema.empty_table())
        mapped.save(packed, world)
        yield pa.RecordBatch.from_pydict({"watches": [len(packed.video)]})

    done = rows.repartition(1).mapInArrow(lay_out, "watches bigint").collect()
    if not done:  # Spark starts no task for a plan that it knows to be empty.
        mapped.save(shared.value.world_of(schema.empty_table()), world)
    return sum(row["watches"] for row in done)


def _learn(
    sources: Sequence[Source], watched: DataFrame, world: Path, tasks: list[tuple[int, int]], blocks: int, scale: float
) -> None:
    """One Spark task for each snapshot and block; sources that keep no pairs of videos learn with the first block."""

    def learn_blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for task in batch.column("id").to_pylist():
                at, block = tasks[task]
                snapshot = take_snapshot(mapped.load(world), at, block, blocks, scale=scale)
                asked = [source for source in sources if source.pairs_per_watch or block == 0]
                learned = {source.name: source.learn(snapshot) for source in asked}
                mapped.save(learned, _file(world.parent, at, block))
            yield batch

    every = watched.sparkSession.range(0, len(tasks), 1, len(tasks))
    every.mapInArrow(learn_blocks, "id bigint").write.format("noop").mode("overwrite").save()


def _file(place: Path, snapshot: int, block: int) -> Path:
    return place / f"{snapshot}-{block}"
