"""Keeping each person's newest part of a data set out of the lake, to judge later what the platform recommends.

Belongs here: which rows are held out, and the file they go to. Judging with them: bench/holdout_ndcg.py.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.arrivals.handover import HELD_OUT_FOLDER
from jobs.host.files import appearing

FILE = HELD_OUT_FOLDER / "movielens.parquet"


def newest_part(
    users: NDArray[np.int64], times: NDArray[np.int64], items: NDArray[np.int64], share: float
) -> NDArray[np.bool_]:
    """True for the newest `share` (0 <= share < 1) of each user's rows; equal times are ordered by item id.

    Rounded down, so nobody loses more than the share: with 0.2, a person with 5 to 9 rows loses one, with 4 none.
    """
    exact = Fraction(str(share))  # 0.29 * 100 is 28.999999999999996
    order = np.lexsort((items, times, users))
    _, first, count = np.unique(users[order], return_index=True, return_counts=True)
    kept = count - count * exact.numerator // exact.denominator
    rank = np.arange(len(order)) - np.repeat(first, count)
    held = np.empty(len(order), dtype=np.bool_)
    held[order] = rank >= np.repeat(kept, count)
    return held


def write_held_out(path: Path, columns: dict[str, Any]) -> None:
    """Write the held-out rows (user_id, video_id, rating, event_at in UTC) as one Parquet file, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with appearing(path) as unfinished:
        pq.write_table(pa.table(columns), unfinished)
