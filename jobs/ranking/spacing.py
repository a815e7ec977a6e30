"""The policy of a feed: how scored candidates become slots.

Belongs here: how many slots there are, and how videos of one creator are kept apart, for the feeds of a night and for
the lists that the gate judges. The scores: rankers/ and orders.py. Who asks: jobs/feeds/slots.py and judge.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SLOTS = 50
# The n-th video of one creator in a feed goes DEMOTION * (n - 1) places down, at most DEMOTION * DEMOTED: enough to let
# others in between, too little to cost a favourite creator the feed.
DEMOTION, DEMOTED = 2, 4


def positions(
    list_of: NDArray[np.int64],
    scores: NDArray[np.float64],
    tied: Sequence[NDArray[np.float64]],
    creators: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The position of each row in its list: 0 is the top, and from SLOTS on nothing is shown.

    The best come first, further videos of one creator a little down; where all are of one creator that changes nothing.
    The rows of a list are in the order of their videos, by which the last ties are told apart. `tied` holds the columns
    of `features.ties`, NaN where a source is silent.
    """
    silent_last = [np.where(np.isnan(ranks), np.inf, ranks) for ranks in tied]
    place = _count(np.lexsort((*reversed(silent_last), -scores, list_of)), list_of)
    of_creator = list_of * (creators.max(initial=0) + 1) + creators
    further = _count(np.lexsort((place, of_creator)), of_creator)
    slot = place + DEMOTION * np.minimum(further, DEMOTED)
    return _count(np.lexsort((place, slot, list_of)), list_of)


def _count(order: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row, how many of its group come before it in an order that has groups one after the other."""
    grouped = groups[order]
    count = np.empty(len(order), dtype=np.int64)
    count[order] = np.arange(len(order)) - np.searchsorted(grouped, grouped)
    return count
