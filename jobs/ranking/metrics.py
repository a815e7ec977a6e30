"""How good a list is: nDCG at k, with the label itself as gain.

Belongs here: the measure. What is compared by it: judge.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# The first page of a feed, about: what most viewers ever see of it.
K = 10


def ndcg(
    labels: NDArray[Any], positions: NDArray[np.float64], lists: NDArray[np.int64], k: int = K
) -> NDArray[np.float64]:
    """nDCG@k of each list, 0..1: the gain label / log2(2 + position), over what the best list of k would have.

    A row is a video that stands at a 0-based position of a list, or in none of its places (inf) and could have stood
    there. `lists` numbers the lists from 0; one without a positive label counts 0. (Järvelin and Kekäläinen, "Cumulated
    gain-based evaluation of IR techniques", TOIS 2002, linear gain.)
    """
    order = np.lexsort((-labels, lists))
    best = np.empty(len(order))
    best[order] = np.arange(len(order)) - np.searchsorted(lists[order], lists[order])
    got, ideal = (np.bincount(lists, labels * _discount(places, k)) for places in (positions, best))
    return np.divide(got, ideal, out=np.zeros_like(got), where=ideal > 0)


def _discount(positions: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    return np.where(positions < k, 1 / np.log2(2 + positions), 0.0)
