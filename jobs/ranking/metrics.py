"""How good an order is: nDCG at k, with the label itself as gain.

Belongs here: the measure. What is compared by it: gate.py and train.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ndcg(
    labels: NDArray[np.int64], scores: NDArray[np.float64], groups: NDArray[np.int64], k: int = 10
) -> NDArray[np.float64]:
    """nDCG@k of each group, 0..1: the gain label / log2(1 + place) summed over the best k scores, over the best sum.

    `groups` holds the sizes of consecutive groups. Equal scores keep the order of the rows. A group without a positive
    label counts 0. (Jarvelin and Kekalainen, "Cumulated gain-based evaluation of IR techniques", 2002, linear gain.)
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    values = np.zeros(len(groups))
    start = 0
    for number, size in enumerate(groups):
        label, score = labels[start : start + size], scores[start : start + size]
        start += size
        got = label[np.argsort(-score, kind="stable")[:k]]
        best = np.sort(label)[::-1][:k]
        ideal = float(best @ discount[: len(best)])
        values[number] = float(got @ discount[: len(got)]) / ideal if ideal else 0.0
    return values
