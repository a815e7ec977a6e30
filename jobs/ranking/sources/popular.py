"""popular: what most viewers watched, in the shortest window in which enough is going on.

Belongs here: the windows, their words, and the order. The feed for strangers has an order of its own:
jobs/feeds/publish.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.ranking.sources.snapshot import Chunk, Snapshot
from jobs.ranking.sources.source import Found, Propose, Source

# Of days, and how they are called. A quiet week says little: then the next one counts, and the last one always does.
WINDOWS = {7: "popular this week", 28: "popular this month", 365: "popular this year", 36_500: "popular of all time"}
EVER_D = max(WINDOWS)
BUSY_VIDEOS, BUSY_VIEWERS = 50, 3
DAY = 86_400_000_000  # microseconds


def learn(snapshot: Snapshot) -> Propose:
    """Every video that anybody watched, most viewers in the window first, then ever."""
    days, viewers = _busy_window(snapshot)
    watched = np.flatnonzero(snapshot.audience)
    order = watched[np.lexsort((watched, -snapshot.audience[watched], -viewers[watched]))]
    return partial(propose_in_order, order, viewers.astype(np.float64), str(days), POPULAR.cap)


def _busy_window(snapshot: Snapshot) -> tuple[int, NDArray[np.int64]]:
    """The days of the window that counts, and each video's viewers in it."""
    for days in WINDOWS:
        watches = snapshot.watches & (snapshot.world.at >= snapshot.at - days * DAY)
        viewers = snapshot.viewers(watches)
        if np.count_nonzero(viewers >= BUSY_VIEWERS) >= BUSY_VIDEOS:
            break
    return days, viewers


def propose_in_order(
    order: NDArray[np.int64], scores: NDArray[np.float64], because: str, cap: int, chunk: Chunk
) -> Iterator[Found]:
    """The first allowed videos of one order for everybody."""
    for allowed in chunk.allowed:
        # Most of the first ones are allowed to most viewers.
        tried = 4 * cap
        while np.count_nonzero(allowed[order[:tried]]) < cap and tried < len(order):
            tried *= 4
        top = order[:tried][allowed[order[:tried]]][:cap]
        yield Found(top, scores[top], [because] * len(top))


def reason(days: Column, title: Column) -> Column:
    words = F.create_map(*[F.lit(str(part)) for window in WINDOWS.items() for part in window])
    return words[days]


# Busy and quiet weeks have windows of different lengths, so the ranker is given shares too.
POPULAR = Source("popular", cap=60, learn=learn, reason=reason, has_share=True)
