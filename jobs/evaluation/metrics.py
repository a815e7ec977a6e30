"""How good lists are: one number per viewer and metric, and what all lists together are like.

Belongs here: the measures, with binary gain, on arrays. Their intervals: jobs/ranking/intervals.py. What is judged by
them: judge.py. The gate's measure, whose gain is graded: jobs/ranking/metrics.py.

`hits` is viewers x places, True where the list has one of the viewer's positives; `positives` how many a viewer has,
1 or more. A list that is shorter than k has no hit in the places that it lacks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PER_VIEWER = ("ndcg", "recall", "recall_capped", "precision", "map", "mrr", "hit", "novelty")


def per_viewer(
    hits: NDArray[np.bool_], positives: NDArray[np.int64], surprise: NDArray[np.float64], k: int
) -> NDArray[np.float64]:
    """PER_VIEWER at k, viewers x metrics.

    - ndcg: as `ndcg` below.
    - recall: hits over the viewer's positives; recall_capped: over min(positives, k), which a list of k can reach.
      precision: hits over k. hit: whether there is one.
    - map: the mean precision at the hits, over min(positives, k). mrr: one over the place of the first hit.
    - novelty: the mean of `surprise` (viewers x places, NaN where a list has ended), in bits.
    """
    top = hits[:, :k].astype(np.float64)
    places = np.arange(1, top.shape[1] + 1)
    possible = np.minimum(positives, k)
    count = top.sum(axis=1)
    first = np.where(count > 0, np.argmax(top, axis=1) + 1, np.inf)
    shown = np.isfinite(surprise[:, :k])
    bits = np.where(shown, surprise[:, :k], 0).sum(axis=1) / np.maximum(shown.sum(axis=1), 1)
    columns = [
        ndcg(hits, positives, k),
        count / positives,
        count / possible,
        count / k,
        (top * np.cumsum(top, axis=1) / places).sum(axis=1) / possible,
        1 / first,
        (count > 0).astype(np.float64),
        bits,
    ]
    return np.stack(columns, axis=1)


def ndcg(hits: NDArray[np.bool_], positives: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """nDCG@k of each viewer's list: gain 1, discount 1 / log2(1 + place), over the best possible list of k.

    (Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002.)
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    top = hits[:, :k]
    values: NDArray[np.float64] = top @ discount[: top.shape[1]] / np.cumsum(discount)[np.minimum(positives, k) - 1]
    return values


def surprise_of(audience: NDArray[np.int64], viewers: int) -> NDArray[np.float64]:
    """The bits that a video of so many viewers tells: -log2 of their share; nobody counts as one."""
    return -np.log2(np.maximum(audience, 1) / max(viewers, 1))


def coverage(exposures: NDArray[np.float64]) -> float:
    """The share of videos that stand in any list, from how often each does."""
    return float(np.count_nonzero(exposures) / len(exposures))


def gini(exposures: NDArray[np.float64]) -> float:
    """How unequal exposure is: 0 for the same to every video, near 1 for all to one."""
    ordered = np.sort(exposures)
    total = ordered.sum()
    if total == 0:
        return 0.0
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))
