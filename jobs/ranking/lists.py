"""What the sources propose to many viewers at one instant, as arrays in one process: no Spark, no tables.

Belongs here: the lists of each source, and their union laid side by side as the ranker's columns. What a source
proposes: sources/. The same columns as a table of a night: features.py.

A list is padded: place r of row n is the (r + 1)-th video that the source proposes to viewer n, -1 where it has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.propose import proposals
from jobs.ranking.sources.snapshot import Moment, Snapshot
from jobs.ranking.sources.source import Source

NOTHING = -1
# reciprocal rank fusion: 1 / (RRF + rank), summed over sources. (Cormack, Clarke, Büttcher, "Reciprocal rank fusion
# outperforms Condorcet and individual rank learning methods", SIGIR 2009, which gives 60.)
RRF = 60
# What the sources say together.
TOGETHER = ("sources_agreeing", "sources_fused")


class Lists(NamedTuple):
    """The videos that one source proposes, best first, and their scores: rows of viewers, padded."""

    videos: NDArray[np.int32]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class Union:
    """The best candidates of each viewer by the fusion of the sources, best first, padded; and a column each."""

    videos: NDArray[np.int32]  # viewers x depth
    columns: tuple[str, ...]
    values: NDArray[np.float32]  # viewers x depth x columns, NaN where a source is silent


def lists_of(
    source: Source, snapshot: Snapshot, moments: list[Moment], tell: Callable[[int], None] = lambda done: None
) -> Lists:
    """What one source proposes at each of the moments. `tell` is called with how many are done."""
    videos = np.full((len(moments), source.cap), NOTHING, dtype=np.int32)
    scores = np.full((len(moments), source.cap), np.nan, dtype=np.float32)
    for row, proposal in enumerate(proposals((source,), snapshot, moments)):
        found = proposal.found
        videos[row, : len(found.videos)] = found.videos
        scores[row, : len(found.videos)] = found.scores
        if row % 256 == 255:
            tell(row + 1)
    tell(len(moments))
    return Lists(videos, scores)


def union(sources: Sequence[Source], lists: Sequence[Lists], rows: NDArray[np.int64], videos: int, depth: int) -> Union:
    """The union of the sources' lists for some rows, cut to the `depth` best by their fusion, ties by video number.

    `videos` is how many there are in all.
    """
    entries = [_entries(one.videos[rows], videos) for one in lists]
    keys = np.unique(np.concatenate([entry.key for entry in entries]))
    columns = [column for source in sources for column in source.columns] + list(TOGETHER)
    values = np.full((len(keys), len(columns)), np.nan, dtype=np.float32)
    values[:, -2:] = 0
    fused = np.zeros(len(keys))
    for source, one, entry in zip(sources, lists, entries, strict=True):
        place = np.searchsorted(keys, entry.key)
        score = one.scores[rows][entry.filled]
        rank = entry.rank.astype(np.float32)
        values[place, columns.index(source.column("score"))] = score
        values[place, columns.index(source.column("rank"))] = rank
        if source.has_share:
            best = one.scores[rows][:, 0][entry.row]
            share = np.divide(score, best, out=np.full_like(score, np.nan), where=best > 0)
            values[place, columns.index(source.column("share"))] = np.round(share, 6)
        values[place, -2] += 1
        fused[place] += 1 / (RRF + rank)
    values[:, -1] = fused
    row = keys // videos
    order = np.lexsort((keys, -np.round(fused, 12), row))
    first = np.searchsorted(row, np.arange(len(rows)))
    place = np.arange(len(order)) - first[row]  # `order` keeps rows together, so places count within each of them
    kept = place < depth
    shape = (len(rows), depth)
    chosen, at = order[kept], (row[kept], place[kept])
    padded = np.full(shape, NOTHING, dtype=np.int32)
    padded[at] = keys[chosen] % videos
    side_by_side = np.full((*shape, len(columns)), np.nan, dtype=np.float32)
    side_by_side[at] = values[chosen]
    return Union(padded, tuple(columns), side_by_side)


class _Entries(NamedTuple):
    filled: NDArray[np.bool_]
    row: NDArray[np.int64]
    rank: NDArray[np.int64]
    key: NDArray[np.int64]


def _entries(lists: NDArray[np.int32], videos: int) -> _Entries:
    filled = lists != NOTHING
    row, place = np.nonzero(filled)
    return _Entries(filled, row, place + 1, row * videos + lists[filled].astype(np.int64))
