"""How far the values of a feature are from those of examples, and how far chance alone brings them.

Belongs here: arithmetic on the values of one feature, NULL as NaN. Which values, and the table: feature_quality.py.
Whether values are those that they should be: skew.py.

The bins are cut at the deciles of the examples. NULL has a bin of its own, and so has a value that is two deciles or
more. Rows of one viewer are alike, and so are rows of one video: only as many things as there are of the fewer of both
were drawn independently of each other, and by that number chance is told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

DECILES = np.arange(1, 10) / 10
# What chance alone does not exceed in 999 of 1,000 features: the normal distribution's quantile for that.
Z = 3.09
# Of fewer things an index tells next to nothing: with 14 on each side not even all rows in one bin of eleven are beyond
# chance.
LEAST_THINGS = 30


def deciles(values: Values) -> list[float]:
    """The nine deciles of what is not NULL, each a value that is there; none where all are NULL."""
    there = values[~np.isnan(values)]
    return [] if not len(there) else np.quantile(there, DECILES, method="inverted_cdf").astype(float).tolist()


def null_share(values: Values) -> float:
    """The share of NULLs among at least one value."""
    return float(np.isnan(values).mean())


class Drift(NamedTuple):
    """The population stability index, and how much of it chance alone does not exceed."""

    psi: float
    of_chance: float


def drift(examples: Values, scored: Values, things: tuple[int, int]) -> Drift:
    """The drift of `scored` against `examples`, of which so many `things` were drawn independently.

    The index is the sum over bins of (s - e) * ln(s / e) with the shares s and e of both (Siddiqi, Credit Risk
    Scorecards, 2006): 0 of equal ones. By his rule of thumb below 0.1 is no shift and above 0.25 a large one.
    """
    cuts = _cuts(deciles(examples))
    then, now = _shares(examples, cuts), _shares(scored, cuts)
    bins = int(np.count_nonzero(then + now))
    # An empty bin would make it infinite. Of so few things it may as well hold half of one.
    least = 0.5 / min(things)
    then, now = np.maximum(then, least), np.maximum(now, least)
    return Drift(float(((now - then) * np.log(now / then)).sum()), _psi_of_chance(bins, things))


def shift_of_chance(shares: tuple[float, float], things: tuple[int, int]) -> float:
    """The difference of two shares that chance alone does not exceed: a test of two proportions, pooled."""
    pooled = np.average(shares, weights=things)
    return Z * math.sqrt(pooled * (1 - pooled) * _spread(things))


def _psi_of_chance(bins: int, things: tuple[int, int]) -> float:
    """The index that chance alone does not exceed.

    Of samples of one distribution it is (1/n + 1/m) times chi-squared with bins - 1 degrees of freedom (Yurdakul and
    Naranjo, Statistical Properties of the Population Stability Index, 2020), whose quantile is Wilson and Hilferty's.
    """
    if bins < 2:
        return 0.0
    degrees = bins - 1
    part = 2 / (9 * degrees)
    chi_squared: float = degrees * (1 - part + Z * math.sqrt(part)) ** 3
    return chi_squared * _spread(things)


def _spread(things: tuple[int, int]) -> float:
    return sum(1 / count for count in things)


def _cuts(found: Sequence[float]) -> Values:
    """The upper ends of all bins but the last; one that two deciles share is a bin for itself."""
    ends, times = np.unique(np.array(found, dtype=np.float32), return_counts=True)
    before = np.nextafter(ends[times > 1], np.float32(-np.inf))
    return np.unique(np.concatenate([ends, before]))


def _shares(values: Values, cuts: Values) -> NDArray[np.float64]:
    """The share of the values in each bin, that of NULL last."""
    is_null = np.isnan(values)
    # A value on a cut belongs below it.
    counts = np.bincount(np.searchsorted(cuts, values[~is_null], side="left"), minlength=len(cuts) + 1)
    return np.append(counts, is_null.sum()) / len(values)
