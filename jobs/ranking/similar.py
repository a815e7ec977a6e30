"""What sources know of videos and viewers beside what they propose: lists of similar videos, and vectors.

Belongs here: the rows of gold.similar_videos and gold.embeddings. Which sources they are of: KEPT in registry.py. How
lists and vectors are learned: sources/ and learn.py. Searching in them: vectors.py.

It learns by itself rather than in ranking.candidates: nobody's feed waits for sources that the night does not ask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.events.marks import unmarked
from jobs.ranking.learn import Learned, learn
from jobs.ranking.propose import Known, Sizes, chunks, moments_at, of_viewers, sizes_of
from jobs.ranking.sources import registry
from jobs.ranking.sources.similar import Similar
from jobs.ranking.sources.snapshot import Moment
from jobs.ranking.sources.source import Embeds
from jobs.ranking.sources.tower import TOWER
from jobs.ranking.watched import World, catalogue_of, first_watches

# Neighbours of a video by one source: what a page of related videos, or a person, looks at.
NEAREST = 50
# Videos whose rows are made by one task, and at once.
VIDEOS_A_TASK, AT_ONCE = 20_000, 1000
LIST = "source string, video_id string, neighbour_id string, rank int, score double"
VECTOR = "kind string, id string, model string, model_version string, vector array<float>"


def similar_videos(learned: Learned, snapshot: int) -> DataFrame:
    """LIST: of each published video the published ones that are most similar, by every source that keeps lists."""
    videos = len(learned.catalogue.value.nobody.videos)
    firsts = list(range(0, videos, VIDEOS_A_TASK))

    def rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        world = learned.catalogue.value.nobody
        is_out = world.published <= snapshot
        lists = [(source.name, known) for source, known in learned.of(snapshot) if isinstance(known, Similar)]
        for batch in batches:
            for task in batch.column("id").to_pylist():
                last = min(firsts[task] + VIDEOS_A_TASK, videos)
                for begin in range(firsts[task], last, AT_ONCE):
                    some = slice(begin, min(begin + AT_ONCE, last))
                    yield from (_nearest(name, known, some, world, is_out) for name, known in lists)

    return SparkSession.active().range(0, len(firsts), 1, max(len(firsts), 1)).mapInArrow(rows, LIST)


def embeddings(learned: Learned, watched: DataFrame, moments: DataFrame, sizes: Sizes, day: date) -> DataFrame:
    """VECTOR: of each source that has vectors, those of its videos, and of the viewers from what they watched."""
    (snapshot,) = sizes.asked
    versions: dict[str, str] = {}
    for source, known in learned.of(snapshot):
        if isinstance(known, Embeds):
            versions[source.name] = f"{day:%Y%m%d}-{hashlib.sha256(known.of_videos()[1]).hexdigest()[:12]}"

    def of_videos(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        ids = learned.catalogue.value.nobody.videos
        for _ in batches:
            for source, known in learned.of(snapshot):
                if isinstance(known, Embeds):
                    numbers, vectors = known.of_videos()
                    for begin in range(0, len(numbers), AT_ONCE):
                        some = slice(begin, begin + AT_ONCE)
                        yield _vectors("video", ids[numbers[some]], source.name, versions, vectors[some])

    def of_asked(every: Known, world: World, some: list[Moment]) -> Iterator[pa.RecordBatch]:
        for chunk in chunks(world, some, explained=False):
            ids = world.viewers[[moment.viewer for moment in chunk.moments]]
            for source, known in every:
                if isinstance(known, Embeds):
                    yield _vectors("user", ids, source.name, versions, known.of_viewers(chunk))

    viewers = of_viewers(learned, watched, moments, None, sizes, of_asked, VECTOR)
    return SparkSession.active().range(0, 1, 1, 1).mapInArrow(of_videos, VECTOR).unionByName(viewers)


def _nearest(name: str, known: Similar, some: slice, world: World, is_out: NDArray[np.bool_]) -> pa.RecordBatch:
    lists = sum(part[some] for part in known.lists).tocoo()
    video, neighbour, score = lists.row + some.start, lists.col, np.round(lists.data.astype(float), known.decimals)
    kept = (score > 0) & is_out[video] & is_out[neighbour] & (video != neighbour)
    video, neighbour, score = video[kept], neighbour[kept], score[kept]
    order = np.lexsort((neighbour, -score, video))
    rank = 1 + np.arange(len(order)) - np.searchsorted(video[order], video[order])
    best = order[rank <= NEAREST]
    columns = {
        "source": pa.array([name] * len(best), type=pa.string()),
        "video_id": pa.array(world.videos[video[best]], type=pa.string()),
        "neighbour_id": pa.array(world.videos[neighbour[best]], type=pa.string()),
        "rank": pa.array(rank[rank <= NEAREST].astype(np.int32)),
        "score": pa.array(score[best]),
    }
    return pa.RecordBatch.from_pydict(columns)


def _vectors(
    kind: str, ids: NDArray[np.object_], model: str, versions: dict[str, str], vectors: NDArray[np.float32]
) -> pa.RecordBatch:
    """Of those that have a vector of some length."""
    there = vectors.any(axis=1)
    many, wide = np.count_nonzero(there), vectors.shape[1]
    columns = {
        "kind": pa.array([kind] * many, type=pa.string()),
        "id": pa.array(ids[there], type=pa.string()),
        "model": pa.array([model] * many, type=pa.string()),
        "model_version": pa.array([versions[model]] * many, type=pa.string()),
        "vector": pa.ListArray.from_arrays(
            pa.array(np.arange(many + 1, dtype=np.int32) * wide), pa.array(vectors[there].ravel(), type=pa.float32())
        ),
    }
    return pa.RecordBatch.from_pydict(columns)


@job(
    every="night",
    reads=["silver.watches", "silver.videos"],
    writes=["gold.similar_videos", "gold.embeddings"],
)
def run(lake: Lake, window: Window) -> None:
    watched = first_watches(unmarked(lake.read("silver.watches", until=window.end))).persist()
    try:
        moments = moments_at(watched, window.end)
        sizes = sizes_of(watched, moments)
        if not sizes.watches:
            return
        catalogue = catalogue_of(lake.read("silver.videos", until=window.end))
        kept = (*registry.KEPT, TOWER) if lake.settings.tower else registry.KEPT
        learned = learn(kept, watched, catalogue, sizes.asked, sizes.watches)
        day = F.lit(window.day).alias("event_date")
        (snapshot,) = sizes.asked
        # Of a few watches nothing is similar, and who skipped everything has no vector.
        lists = similar_videos(learned, snapshot).select(day, "*")
        lake.replace("gold.similar_videos", lists, window, empty_is_a_fact=True)
        vectors = embeddings(learned, watched, moments, sizes, window.day).select(day, "*")
        lake.replace("gold.embeddings", vectors, window, empty_is_a_fact=True)
    finally:
        watched.unpersist()
