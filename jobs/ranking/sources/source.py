"""What the sources share: their names and caps, a moment, a proposal, and the snapshot that they know others by.

Belongs here: words that every source uses. What one proposes: its own module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

ITEM_ITEM, POPULAR, FRESH = "item_item", "popular", "fresh"
# At most this many candidates of each source for one moment.
CAPS = {ITEM_ITEM: 150, POPULAR: 60, FRESH: 30}

DAY = 86_400_000_000  # microseconds


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
