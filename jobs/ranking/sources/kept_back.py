"""One video of each viewer kept back, by which a source finds the constants that suit the data.

Belongs here: the draw, how well what was kept back ranks, and the choices that were made by it. What is tried: the
sources that have constants to find.

No constant suits all data: on histories of five videos those that are best for some of fourteen rank everybody by
popularity, and lose half of what can be found (docs/decisions/0014). Only watches of the snapshot take part, so what
comes later changes nothing; the same watches give the same draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Matrix = NDArray[np.float32]
Choice = TypeVar("Choice")
# Of some viewers, by their row: a score for each video.
Scores = Callable[[NDArray[np.int64]], Matrix]

# Viewers with a video kept back, at least, for a choice, and at most; and pairs that are tried on, at most.
ENOUGH, JUDGED, PAIRS = 500, 3000, 300_000
# The quality is the mean of 1 / log2(1 + rank), 0 below DEEP.
DEEP = 50
# Scores of viewers and videos that are held at once.
ROOM = 10_000_000
SEED = 7


@dataclass(frozen=True)
class Choices:
    """What sources chose by videos kept back, by their names: snapshots that share it choose once."""

    made: dict[str, Any] = field(default_factory=dict)

    def once(self, source: str, choose: Callable[[], Choice]) -> Choice:
        """What the source chose; it chooses now if it has not."""
        if source not in self.made:
            self.made[source] = choose()
        choice: Choice = self.made[source]
        return choice


@dataclass(frozen=True)
class KeptBack:
    """Histories without what was kept back; of whom, by their row, and which video."""

    rest: csr_matrix
    viewers: NDArray[np.int64]
    asked: NDArray[np.int64]

    def quality(self, scores: Scores) -> float:
        """How high the videos rank among all that their viewers did not watch; `scores` has a row for each viewer."""
        total = sum(self._gain(some, scores(self.viewers[some])) for some in self._blocks())
        return total / len(self.asked)

    def best_part(self, scores: Scores, everybody: NDArray[np.floating[Any]], parts: tuple[float, ...]) -> float:
        """Of what is added to the scores of `everybody`, the part with which the videos rank best."""
        total = np.zeros(len(parts))
        for some in self._blocks():
            own = scores(self.viewers[some])
            total += [self._gain(some, own + np.float32(part) * everybody) for part in parts]
        return parts[int(np.argmax(total))]

    def _blocks(self) -> Iterator[slice]:
        step = max(1, ROOM // self.rest.shape[1])
        return (slice(first, first + step) for first in range(0, len(self.asked), step))

    def _gain(self, some: slice, scores: NDArray[np.floating[Any]]) -> float:
        """The sum over these viewers."""
        theirs = np.take_along_axis(scores, self.asked[some, None], axis=1)
        above = np.count_nonzero(scores > theirs, axis=1)
        row, video = self.rest[self.viewers[some]].nonzero()
        above -= np.bincount(row[scores[row, video] > theirs[row, 0]], minlength=len(above))
        return float((1 / np.log2(2 + above[above < DEEP])).sum())


def keep_back(watched: csr_matrix) -> KeptBack | None:
    """Of viewers x videos; None where too few have two videos."""
    chance = np.random.default_rng(SEED)
    filled = np.flatnonzero(watched.getnnz(axis=1))
    order = filled[chance.permutation(len(filled))]
    drawn = order[np.cumsum(watched.getnnz(axis=1)[order]) <= PAIRS]
    rest = watched[drawn].tocsr()
    lengths = rest.getnnz(axis=1)
    viewers = np.flatnonzero(lengths > 1)[:JUDGED]
    if len(viewers) < ENOUGH:
        return None
    cells = rest.indptr[viewers] + chance.integers(0, lengths[viewers])
    asked = rest.indices[cells].astype(np.int64)
    rest.data[cells] = 0
    rest.eliminate_zeros()
    return KeptBack(rest, viewers, asked)
