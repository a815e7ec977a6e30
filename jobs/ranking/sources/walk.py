"""walk: where a walk of three steps ends, from a watched video to one of its viewers and on to what they watched.

Belongs here: the chances of the walk. What is proposed from them: similar.py.

RP3beta (Paudel, Christoffel, Newell and Bernstein, "Updatable, accurate, diverse, and scalable recommendations for
interactive applications", TiiS 2017): a chance is divided by a power of the video's audience, or every walk would end
at what all have watched. A score is the sum of the chances from all watched videos, and ANYWHERE over the squared mean
length of a history times the chance to end at a video if one starts anywhere, without which short histories are ranked
worse than by popularity.

The product of two sparse matrices in blocks of BLOCK videos: 10^6 watches of 10^4 videos by viewers with up to 100 take
10^8 multiplications, some seconds of one core, 80 MB while it learns, and 24 MB after it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.sources.kept_back import keep_back
from jobs.ranking.sources.similar import Similar, because_watched, history, largest, nothing
from jobs.ranking.sources.snapshot import Snapshot
from jobs.ranking.sources.source import Propose, Source

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# These were chosen on validation pairs: docs/decisions/0014.
BETA, ANYWHERE = 0.1, 10_000.0
PARTS = (1.0, 0.1, 0.01, 0.001)
LONGEST, BLOCK = 300, 512


def learn(snapshot: Snapshot) -> Propose:
    positives = snapshot.positives
    if not positives.nnz:
        return nothing
    most = ANYWHERE / snapshot.mean_length**2
    part = snapshot.choices.once(WALK.name, partial(_best_part, positives, most))
    similar, anywhere = _walks(positives)
    every = (part * most * anywhere).astype(np.float32)
    return Similar((similar,), history, WALK.cap, everybody=every)


def _best_part(positives: csr_matrix, most: float) -> float:
    """The part of the weight with which the videos kept back rank best; all of it where too few are."""
    kept_back = keep_back(positives)
    if kept_back is None:
        return 1.0
    similar, anywhere = _walks(kept_back.rest)
    rest = kept_back.rest
    return kept_back.best_part(lambda viewers: (rest[viewers] @ similar).toarray(), most * anywhere, PARTS)


def _walks(positives: csr_matrix) -> tuple[csr_matrix, NDArray[np.float64]]:
    """The chances from each video, and those from anywhere."""
    audience = np.asarray(positives.sum(axis=0)).ravel()
    damped = np.maximum(audience, 1) ** -BETA
    return chances(positives, damped), audience * damped / audience.sum()


def chances(positives: csr_matrix, damped: NDArray[np.float64]) -> csr_matrix:
    """videos x videos: from each one, the chance to end at another by way of a viewer, times what it is `damped` by."""
    from scipy.sparse import diags, vstack

    to_viewer = by_rows(positives.T.tocsr())
    to_video = (by_rows(positives) @ diags(damped)).tocsr().astype(np.float32)
    size = positives.shape[1]
    blocks = [slice(first, min(first + BLOCK, size)) for first in range(0, size, BLOCK)]
    every = np.arange(size)
    return vstack([largest(to_viewer[block] @ to_video, every[block], LONGEST) for block in blocks]).tocsr()


def by_rows(matrix: csr_matrix) -> csr_matrix:
    """The rows over their sums."""
    from scipy.sparse import diags

    sums = np.asarray(matrix.sum(axis=1)).ravel()
    return (diags(np.divide(1, sums, out=np.zeros_like(sums), where=sums > 0)) @ matrix).astype(np.float32).tocsr()


# Long histories give higher scores than short ones, so the ranker is given shares too.
WALK = Source("walk", cap=150, learn=learn, reason=because_watched, has_share=True)
