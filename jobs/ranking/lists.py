"""What the sources propose to many viewers at one instant, as arrays in one process: no Spark, no tables.

Belongs here: the lists of each source, and their union laid side by side as the ranker's columns. What a source
proposes: sources/. The same columns as a table of a night: features.py, to which a test ties these.

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
    """What one source proposes at each of the moments, without reasons. `tell` is called with how many are done."""
    videos = np.full((len(moments), source.cap), NOTHING, dtype=np.int32)
    scores = np.full((len(moments), source.cap), np.nan, dtype=np.float32)
    for row, proposal in enumerate(proposals((source,), snapshot, moments, explained=False)):
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
    entries = [_entries(one, rows, videos) for one in lists]
    rank = np.concatenate([entry.rank for entry in entries])
    keys, which = np.unique(np.concatenate([entry.key for entry in entries]), return_inverse=True)
    fused = np.bincount(which, 1 / (RRF + rank), len(keys))
    row = keys // videos
    # One number to sort by, for rows first: some times faster than sorting by three. Fusion is far below 1.
    order = np.argsort((row << 41) + np.round((1 - fused) * 2**40).astype(np.int64), kind="stable")
    place = np.arange(len(order)) - np.searchsorted(row, np.arange(len(rows)))[row]
    kept = place < depth
    slot = np.full(len(keys), NOTHING, dtype=np.int64)  # in the padded table, of those that are kept
    slot[order[kept]] = row[kept] * depth + place[kept]

    columns = [column for source in sources for column in source.columns] + list(TOGETHER)
    padded = np.full(len(rows) * depth, NOTHING, dtype=np.int32)
    values = np.full((len(padded), len(columns)), np.nan, dtype=np.float32)
    chosen = slot >= 0
    padded[slot[chosen]] = keys[chosen] % videos
    values[slot[chosen], -2] = np.bincount(which, minlength=len(keys))[chosen]
    values[slot[chosen], -1] = fused[chosen]
    ends = np.cumsum([len(entry.key) for entry in entries])
    for source, entry, end in zip(sources, entries, ends, strict=True):
        at = slot[which[end - len(entry.key) : end]]
        inside = at >= 0
        for measure, column in (("score", entry.score), ("share", entry.share), ("rank", entry.rank)):
            if (name := f"{source.name}_{measure}") in source.columns:
                values[at[inside], columns.index(name)] = column[inside]
    shape = (len(rows), depth)
    return Union(padded.reshape(shape), tuple(columns), values.reshape(*shape, len(columns)))


class _Entries(NamedTuple):
    """What one source proposes to some rows, one after the other; `key` is the row by place * videos + the video."""

    key: NDArray[np.int64]
    rank: NDArray[np.int64]
    score: NDArray[np.float32]
    share: NDArray[np.float32]


def _entries(lists: Lists, rows: NDArray[np.int64], videos: int) -> _Entries:
    chosen, scores = lists.videos[rows], lists.scores[rows]
    row, place = np.nonzero(chosen != NOTHING)
    score, best = scores[row, place], scores[row, 0]
    share = np.divide(score, best, out=np.full_like(score, np.nan), where=best > 0)
    return _Entries(row * videos + chosen[row, place].astype(np.int64), place + 1, score, np.round(share, 6))
