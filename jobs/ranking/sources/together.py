"""All sources at once, for the moments of one snapshot.

Belongs here: what is computed once for all of them. What one source proposes: its own module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.sources.fresh import fresh, fresh_pool, tagged
from jobs.ranking.sources.item_item import HISTORY, RECENT, item_item, similarity
from jobs.ranking.sources.popular import WINDOWS_D, popular_order
from jobs.ranking.sources.source import CAPS, DAY, POPULAR, Moment, Proposal, Snapshot
from jobs.ranking.watched import World

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

CHUNK = 256  # moments scored at once, against every video


def snapshot(world: World, at: int, block: int = 0, blocks: int = 1) -> Snapshot:
    """The snapshot at an instant, its similarities only for next videos whose number is `block` modulo `blocks`."""
    size = len(world.videos)
    before = world.at < at
    viewers_in = {
        days: np.bincount(world.video[before & (world.at >= at - days * DAY)], minlength=size) for days in WINDOWS_D
    }
    viewers = viewers_in[WINDOWS_D[-1]]
    return Snapshot(at, viewers, viewers_in, similarity(world, before, viewers, block, blocks), tagged(world, at))


def propose(world: World, known: Snapshot, moments: list[Moment], block: int = 0) -> Iterator[Proposal]:
    """All sources' proposals of published videos that the viewer had neither watched nor refused before the moment, and
    did not make.

    Of a snapshot in blocks, popular and fresh come with block 0 only, and each block has its own best of item_item.
    """
    order, days = popular_order(known)
    pool = fresh_pool(world, known)
    for begin in range(0, len(moments), CHUNK):
        chunk = moments[begin : begin + CHUNK]
        weights = _histories(world, chunk)
        scores = (weights @ known.similarity).toarray()
        liking = (weights @ known.tagged).tocsr() if block == 0 else None
        for row, moment in enumerate(chunk):
            allowed = world.published <= moment.at
            allowed[_seen(world, moment)] = False
            allowed[_refused(world, moment)] = False
            allowed &= world.creator != world.makes[moment.user]
            yield item_item(world, known, weights[row], scores[row] * allowed, moment)
            if liking is not None:
                top = order[allowed[order]][: CAPS[POPULAR]]
                counts = known.viewers_in[days][top].astype(np.float64)
                yield Proposal(moment, POPULAR, top, counts, [str(days)] * len(top))
                yield fresh(world, known, liking[row], pool[allowed[pool]], moment)


def _seen(world: World, moment: Moment) -> NDArray[np.int64]:
    """The videos that the viewer watched before the moment, oldest first."""
    start, end = world.starts[moment.user], world.starts[moment.user + 1]
    return world.video[start : start + np.searchsorted(world.at[start:end], moment.at)]


def _refused(world: World, moment: Moment) -> NDArray[np.int64]:
    """The videos that the viewer refused before the moment."""
    start, end = world.refused_starts[moment.user], world.refused_starts[moment.user + 1]
    return world.refused[start:end][world.refused_at[start:end] < moment.at]


def _histories(world: World, moments: list[Moment]) -> csr_matrix:
    """moments x videos: how much each of a viewer's newest watches speaks for them."""
    from scipy.sparse import csr_matrix

    rows, columns, weights = [], [], []
    for row, moment in enumerate(moments):
        videos = _seen(world, moment)[-HISTORY:]
        end = world.starts[moment.user] + len(_seen(world, moment))
        share = world.share[end - len(videos) : end]
        rows.append(np.full(len(videos), row))
        columns.append(videos)
        weights.append(share * RECENT / (RECENT - 1 + np.arange(len(videos), 0, -1)))
    cells = (np.concatenate(rows), np.concatenate(columns))
    return csr_matrix((np.concatenate(weights), cells), shape=(len(moments), len(world.videos)))
