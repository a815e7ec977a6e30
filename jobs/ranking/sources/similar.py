"""Lists of similar videos: cut to the best, summed up over what a viewer watched, and which watched video says most.

Belongs here: what sources share that keep, for each video, the videos that are close to it. How close two videos are is
each source's own: item_item.py, linear.py, walk.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.ranking.sources.snapshot import Chunk
from jobs.ranking.sources.source import Found, Propose

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# How much each watched video speaks for a viewer: moments x videos.
Taste = Callable[[Chunk], "csr_matrix"]
# Groups for each score that is wanted: most of the best are then the best of their group.
GROUPS = 4
NOTHING = Found(np.zeros(0, dtype=np.int64), np.zeros(0), [])


def shortened(blocks: Iterable[NDArray[np.float32]], size: int, longest: int) -> csr_matrix:
    """size x size: of each row, given in dense blocks from the first on, the `longest` values farthest from 0.

    What speaks against a video counts as well: without it the linear weights lost a tenth (docs/decisions/0014). Blocks
    are written to: a row's own place counts as 0.
    """
    from scipy.sparse import csr_matrix

    indptr, indices, data = [np.zeros(1, dtype=np.int64)], [], []
    first = 0
    for block in blocks:
        rows = np.arange(len(block))
        block[rows, first + rows] = 0
        kept = block != 0
        if size > longest:
            strength = np.abs(block)
            kept &= strength >= np.partition(strength, size - longest, axis=1)[:, size - longest, None]
        # Many times faster than np.nonzero of two dimensions.
        cells = np.flatnonzero(kept)
        indptr.append(indptr[-1][-1] + np.cumsum(np.count_nonzero(kept, axis=1)))
        indices.append((cells % size).astype(np.int32))
        data.append(block.ravel()[cells].astype(np.float32))
        first += len(block)
    parts = (np.concatenate(data), np.concatenate(indices), np.concatenate(indptr))
    return csr_matrix(parts, shape=(size, size))


def largest(rows: csr_matrix, own: NDArray[np.int64], longest: int) -> csr_matrix:
    """Of each row, none of whose values is below 0, the `longest` largest and what ties with the last of them.

    The place of a row that is its `own` counts as 0. Columns are in order.
    """
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    rows.data[rows.indices == own[row]] = 0
    found = _cut(rows, longest)
    found.sort_indices()
    return found


def strongest(lists: csr_matrix, longest: int) -> csr_matrix:
    """The `longest` largest values of each row, ties by column; none is below 0."""
    from scipy.sparse import csr_matrix

    lists = _cut(lists, longest)
    row = np.repeat(np.arange(lists.shape[0]), np.diff(lists.indptr))
    order = np.lexsort((lists.indices, -lists.data, row))
    place = np.arange(len(order)) - lists.indptr[row]
    kept = np.sort(order[place < longest])
    return csr_matrix((lists.data[kept], (row[kept], lists.indices[kept])), shape=lists.shape)


@dataclass(frozen=True)
class Similar:
    """Proposes the videos that are most similar to what each viewer watched.

    `lists` are videos x videos: how much watching one (row) speaks for another. What is learned in blocks has several,
    each with the rows of a block, that count as one. `everybody` is added to the scores of whoever watched anything:
    what speaks for a video whoever asks. So many `decimals` of a score count: BLAS differs in the last ones from one
    machine to the next.
    """

    lists: tuple[csr_matrix, ...]
    taste: Taste
    cap: int
    everybody: NDArray[np.float32] | None = None
    decimals: int = 9

    def __call__(self, chunk: Chunk) -> Iterator[Found]:
        """A watched video is the reason only if it speaks for the proposal at all."""
        tastes = self.taste(chunk)
        every = sum(tastes @ part for part in self.lists)
        if self.everybody is None:
            every.sort_indices()
        everything = np.arange(every.shape[1])
        for row in range(len(chunk.moments)):
            if tastes.indptr[row] == tastes.indptr[row + 1]:
                yield NOTHING
                continue
            # Only what something speaks for, which is little of a large catalogue.
            near, scores = every.indices[own := slice(*every.indptr[row : row + 2])], every.data[own]
            allowed = chunk.allowed[row]
            if self.everybody is None:
                allowed = allowed[near]
            else:
                total = self.everybody.astype(every.dtype)
                total[near] += scores
                near, scores = everything, total
            scores = np.round(np.where(allowed, scores, 0).astype(float), self.decimals)
            places = best(scores, self.cap)
            top = near[places].astype(np.int64)
            if not chunk.explained:
                yield Found(top, scores[places], [None] * len(top))
                continue
            watched = tastes[row]
            most = _says_most(watched, sum(part[watched.indices] for part in self.lists), top)
            videos = chunk.world.videos
            yield Found(top, scores[places], [None if video < 0 else str(videos[video]) for video in most])


def joined(parts: Sequence[Propose]) -> Propose:
    """One Similar of those that were learned of each block."""
    alike = [part for part in parts if isinstance(part, Similar)]
    return replace(alike[0], lists=tuple(one for part in alike for one in part.lists))


def history(chunk: Chunk) -> csr_matrix:
    """All that a viewer watched and did not skip, each by its share."""
    return chunk.positives


def nothing(chunk: Chunk) -> Iterator[Found]:
    """What a source finds that has nothing to learn from."""
    return (NOTHING for _ in chunk.moments)


def best(scores: NDArray[np.float64], cap: int) -> NDArray[np.int64]:
    """The places of the `cap` best positive scores, best first, ties by place."""
    least, groups = 0.0, GROUPS * cap
    if (size := len(scores) // groups) > 1:
        # The last of the `cap` best groups has a score that `cap` scores reach, so what is below is none of the best.
        tops = scores[: size * groups].reshape(size, groups).max(axis=0)
        least = np.partition(tops, -cap)[-cap]
    places = np.flatnonzero(scores >= least if least > 0 else scores > 0)
    if len(places) > cap:
        # All that tie with the last one stay, for the sort below to choose among by id.
        places = places[scores[places] >= np.partition(scores[places], -cap)[-cap]]
    return places[np.lexsort((places, -scores[places]))][:cap]


def because_watched(watched: Column, title: Column) -> Column:
    """The words where the reason is a video that the viewer watched, and for a proposal without one."""
    words = F.concat(F.lit("because you watched "), F.coalesce(title, watched))
    return F.when(watched.isNotNull(), words).otherwise("many who watch what you do watch it")


def _cut(rows: csr_matrix, longest: int) -> csr_matrix:
    """The values above 0 that are among the `longest` largest of their row or tie with the last of these.

    Only what is stored is looked at: numpy takes ten times longer to cut a dense row in which zeros are many.
    """
    from scipy.sparse import csr_matrix

    kept = rows.data > 0
    for row in np.flatnonzero(np.diff(rows.indptr) > longest):
        own = slice(rows.indptr[row], rows.indptr[row + 1])
        values = rows.data[own]
        kept[own] &= values >= np.partition(values, -longest)[-longest]
    ends = np.concatenate([[0], np.cumsum(kept)])[rows.indptr]
    return csr_matrix((rows.data[kept], rows.indices[kept], ends), shape=rows.shape)


def _says_most(watched: csr_matrix, lists: csr_matrix, top: NDArray[np.int64]) -> NDArray[np.int64]:
    """The watched video with the largest term in the score of each of `top`; -1 where none has a term above 0.

    `lists` has a row for each watched video.
    """
    if not len(top):
        return top
    place = np.full(lists.shape[1], -1)
    place[top] = np.arange(len(top))
    column = place[lists.indices]
    row = np.repeat(np.arange(len(watched.indices)), np.diff(lists.indptr))
    asked = column >= 0
    terms = np.zeros((len(watched.indices), len(top)))
    terms[row[asked], column[asked]] = np.round(lists.data[asked] * watched.data[row[asked]], 12)
    most = np.argmax(terms, axis=0)
    return np.where(terms[most, np.arange(len(top))] > 0, watched.indices[most], -1)
