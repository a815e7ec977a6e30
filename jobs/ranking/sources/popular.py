"""popular: what most viewers watched lately.

Belongs here: the window, and its order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.sources.source import Snapshot

# popular: the shortest window in which enough is going on; a quiet week says little.
WINDOWS_D = (7, 28, 365, 36_500)
BUSY_VIDEOS, BUSY_VIEWERS = 50, 3


def popular_order(known: Snapshot) -> tuple[NDArray[np.int64], int]:
    """Every video that anybody watched, most viewers in the window first; and the window, in days."""
    days = next(
        (d for d in WINDOWS_D if np.count_nonzero(known.viewers_in[d] >= BUSY_VIEWERS) >= BUSY_VIDEOS), WINDOWS_D[-1]
    )
    places = np.flatnonzero(known.viewers)
    order = np.lexsort((places, -known.viewers[places], -known.viewers_in[days][places]))
    return places[order], days
