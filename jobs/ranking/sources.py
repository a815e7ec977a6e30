"""The candidate sources: item_item, popular and fresh, for the moments of one snapshot, on arrays.

Belongs here: what each source proposes and how it scores. Running them as Spark tasks: propose.py. Who asks for which
moments: candidates.py (tonight) and moments.py (the past); a score means the same in both.

These are arrays and not joins, since a join would move every pair of videos watched after each other through a shuffle
(some 50 per watch) to do what a sparse product does in place: bench/candidates.py has the figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.watched import World

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

ITEM_ITEM, POPULAR, FRESH = "item_item", "popular", "fresh"
# At most this many candidates of each source for one moment.
CAPS = {ITEM_ITEM: 150, POPULAR: 60, FRESH: 30}

# item_item. A watch vouches for the next NEXT watches of the same viewer, the d-th with weight share / (1 + d /
# NEXT_DECAY): what is watched soon after says more than what is watched anyway. Work is linear in watches, however long
# a history.
NEXT, NEXT_DECAY = 50, 20
# similarity = weight / (viewers_i * viewers_j ^ DAMPING + SHRINK): like a conditional probability, a little less for
# what everybody watches, and little for what rests on a few viewers.
DAMPING, SHRINK = 0.3, 20.0
# The newest HISTORY watches speak for a viewer, the r-th newest with weight share * RECENT / (RECENT - 1 + r).
HISTORY, RECENT = 50, 5

# popular: the shortest window in which enough is going on; a quiet week says little.
WINDOWS_D = (7, 28, 365, 36_500)
BUSY_VIDEOS, BUSY_VIEWERS = 50, 3
# fresh: the newest videos that few have seen.
FRESH_POOL, FRESH_VIEWERS = 200, 50

DAY = 86_400_000_000  # microseconds
CHUNK = 256  # moments scored at once, against every video


class Moment(NamedTuple):
    """One viewer (their number) at one instant, in microseconds."""

    user: int
    at: int


class Proposal(NamedTuple):
    """What one source proposes at one moment: video numbers, best first, their scores, and what it went by."""

    moment: Moment
    source: str
    videos: NDArray[np.int64]
    scores: NDArray[np.float64]
    because: list[str | None]


@dataclass(frozen=True)
class Snapshot:
    """What all viewers did before an instant: viewers per video, ever and by window, who was watched after whom, and
    which hashtags (columns) the videos (rows) had, as ones."""

    at: int
    viewers: NDArray[np.int64]
    viewers_in: dict[int, NDArray[np.int64]]
    similarity: csr_matrix
    tagged: csr_matrix


def snapshot(world: World, at: int, block: int = 0, blocks: int = 1) -> Snapshot:
    """The snapshot at an instant, its similarities only for next videos whose number is `block` modulo `blocks`."""
    size = len(world.videos)
    before = world.at < at
    viewers_in = {
        days: np.bincount(world.video[before & (world.at >= at - days * DAY)], minlength=size) for days in WINDOWS_D
    }
    viewers = viewers_in[WINDOWS_D[-1]]
    similarity = _similarity(world, before, viewers, block, blocks)
    return Snapshot(at, viewers, viewers_in, similarity, _tagged(world, at))


def _tagged(world: World, at: int) -> csr_matrix:
    from scipy.sparse import csr_matrix

    given = world.tagged.tocoo()
    known = given.data < at
    cells = (given.row[known], given.col[known])
    return csr_matrix((np.ones(np.count_nonzero(known)), cells), shape=given.shape)


def _similarity(
    world: World, before: NDArray[np.bool_], viewers: NDArray[np.int64], block: int, blocks: int
) -> csr_matrix:
    from scipy.sparse import csr_matrix

    user = np.repeat(np.arange(len(world.users)), np.diff(world.starts))[before]
    video, share = world.video[before], world.share[before]
    size = len(world.videos)
    total = csr_matrix((size, size))
    for d in range(1, min(NEXT, len(video) - 1) + 1):
        # A viewer's watches are in order, so what follows d places later by the same viewer is a shift.
        pair = (user[:-d] == user[d:]) & (video[d:] % blocks == block)
        first, then = video[:-d][pair], video[d:][pair]
        weight = share[d:][pair] / (1 + d / NEXT_DECAY)
        weight /= viewers[first] * viewers[then] ** DAMPING + SHRINK
        total = total + csr_matrix((weight, (first, then)), shape=(size, size))
    return total


def propose(world: World, known: Snapshot, moments: list[Moment], block: int = 0) -> Iterator[Proposal]:
    """All sources' proposals of published videos that the viewer had neither watched nor refused before the moment, and
    did not make.

    Of a snapshot in blocks, popular and fresh come with block 0 only, and each block has its own best of item_item.
    """
    order, days = _popular_order(known)
    pool = _fresh_pool(world, known)
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
            yield _item_item(world, known, weights[row], scores[row] * allowed, moment)
            if liking is not None:
                top = order[allowed[order]][: CAPS[POPULAR]]
                counts = known.viewers_in[days][top].astype(np.float64)
                yield Proposal(moment, POPULAR, top, counts, [str(days)] * len(top))
                yield _fresh(world, known, liking[row], pool[allowed[pool]], moment)


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


def _best(scores: NDArray[np.float64], cap: int) -> NDArray[np.int64]:
    """The places of the `cap` best positive scores, best first, ties by place."""
    places = np.flatnonzero(scores > 0)
    if len(places) > cap:
        # All that tie with the last one stay, for the sort below to choose among by id.
        places = places[scores[places] >= np.partition(scores[places], -cap)[-cap]]
    return places[np.lexsort((places, -scores[places]))][:cap]


def _item_item(
    world: World, known: Snapshot, weights: csr_matrix, scores: NDArray[np.float64], moment: Moment
) -> Proposal:
    """What viewers of the same videos watched next, weighted by how much and how lately this viewer watched them."""
    scores = np.round(scores, 9)
    top = _best(scores, CAPS[ITEM_ITEM])
    because: list[str | None] = []
    if len(top):
        # The watched video that says most for each proposal.
        terms = known.similarity[weights.indices][:, top].toarray() * weights.data[:, None]
        because = [str(world.videos[v]) for v in weights.indices[np.argmax(np.round(terms, 12), axis=0)]]
    return Proposal(moment, ITEM_ITEM, top, scores[top], because)


def _popular_order(known: Snapshot) -> tuple[NDArray[np.int64], int]:
    """Every video that anybody watched, most viewers in the window first; and the window, in days."""
    days = next(
        (d for d in WINDOWS_D if np.count_nonzero(known.viewers_in[d] >= BUSY_VIEWERS) >= BUSY_VIDEOS), WINDOWS_D[-1]
    )
    places = np.flatnonzero(known.viewers)
    order = np.lexsort((places, -known.viewers[places], -known.viewers_in[days][places]))
    return places[order], days


def _fresh_pool(world: World, known: Snapshot) -> NDArray[np.int64]:
    """The newest published videos that few have seen: each creator's newest, then each one's second newest, ..."""
    places = np.flatnonzero((world.published <= known.at) & (known.viewers < FRESH_VIEWERS))
    places = places[np.lexsort((places, -world.published[places], world.creator[places]))]
    first_of_creator = np.searchsorted(world.creator[places], world.creator[places])
    turn = np.arange(len(places)) - first_of_creator
    return places[np.lexsort((places, -world.published[places], turn))][:FRESH_POOL]


def _fresh(world: World, known: Snapshot, liking: csr_matrix, pool: NDArray[np.int64], moment: Moment) -> Proposal:
    """The pool by this viewer's share of liking for each one's hashtags, then in its own order."""
    share = np.zeros(known.tagged.shape[1])
    if liking.nnz:
        share[liking.indices] = liking.data / liking.data.sum()
    tagged = known.tagged[pool]
    scores = np.round(tagged @ share, 9)
    order = np.lexsort((np.arange(len(pool)), -scores))[: CAPS[FRESH]]
    because: list[str | None] = []
    for place in order:
        tags = tagged.indices[tagged.indptr[place] : tagged.indptr[place + 1]]
        because.append(str(world.hashtags[tags[np.argmax(share[tags])]]) if scores[place] > 0 else None)
    return Proposal(moment, FRESH, pool[order], scores[order], because)
