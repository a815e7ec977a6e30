"""Whether the values that were scored are those that should have been: mismatches, NULL on one side, relative error.

Belongs here: arithmetic on two values of one feature for each of the same rows, NULL as NaN. What should have been, and
the table: feature_quality.py. Whether they are those of other days: drift.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.ops.drift import Values

# Two values match that differ by less, relatively to the larger: an event that comes late changes most counts a little.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Skew:
    """What differs between what was scored and what is true, as shares.

    `mismatch`: of the rows whose values are further apart than TOLERANCE, NULL on one side included. `missing`: of
    those that were scored without the value that there is, `vanished` of those scored with one that there is not.
    `symmetric_error`: the sum of differences over the sum of sizes, |s - t| over |s| + |t|, of rows with both, between
    0 and 1 (Makridakis, Accuracy measures, 1993, summed first so that small counts do not lead); 0 where all are 0.
    """

    mismatch: float
    missing: float
    vanished: float
    symmetric_error: float


def skew(scored: Values, true: Values) -> Skew:
    """What differs, over at least one row."""
    was, now = scored.astype(np.float64), true.astype(np.float64)
    missing, vanished = np.isnan(was) & ~np.isnan(now), ~np.isnan(was) & np.isnan(now)
    both = ~np.isnan(was) & ~np.isnan(now)
    apart, sizes = np.abs(was[both] - now[both]), np.abs(was[both]) + np.abs(now[both])
    differ = apart > TOLERANCE * np.maximum(np.abs(was[both]), np.abs(now[both]))
    return Skew(
        mismatch=float((differ.sum() + missing.sum() + vanished.sum()) / len(was)),
        missing=float(missing.mean()),
        vanished=float(vanished.mean()),
        symmetric_error=float(apart.sum() / sizes.sum()) if sizes.any() else 0.0,
    )
