"""Ratios of sums over viewers, how far two of them are apart, and whether arms have the viewers that they should have.

Belongs here: arithmetic on a few sums, whatever is counted. The sums: compare.py. Intervals by drawing viewers again,
which take a number for each of them: jobs/ranking/intervals.py.

A viewer has many slots, and what one makes of them hangs together, so slots are not drawn one by one: viewers are. A
ratio such as likes over slots is the sum over viewers of the one over that of the other, and its variance is that of
above - ratio * below over viewers, by the squared mean of below (the delta method: Deng, Knoblich and Lu, "Applying the
Delta Method in Metric Analytics", KDD 2018). Sums, sums of squares and of products are all that it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from jobs.ranking.intervals import TWO_SIDED, Interval


@dataclass(frozen=True)
class Sums:
    """Over viewers: how many there are, the sums of what is above and below, of their squares and of their product."""

    viewers: int
    above: float
    below: float
    above_squares: float
    below_squares: float
    products: float

    @property
    def ratio(self) -> float | None:
        """None where there is nothing below."""
        return self.above / self.below if self.below else None

    @property
    def variance(self) -> float:
        """Of the ratio, from one draw of so many viewers to the next; at least two, with something below."""
        ratio = self.above / self.below
        # above - ratio * below sums to 0. Rounding alone brings this below 0.
        squares = max(self.above_squares - 2 * ratio * self.products + ratio**2 * self.below_squares, 0.0)
        return squares / (self.viewers - 1) * self.viewers / self.below**2


def difference(one: Sums, other: Sums) -> Interval | None:
    """One ratio less another one of other viewers, with its interval of 95 %; None where either is none."""
    if one.ratio is None or other.ratio is None:
        return None
    apart, spread = one.ratio - other.ratio, TWO_SIDED * sqrt(one.variance + other.variance)
    return Interval(apart, apart - spread, apart + spread)


def mismatch(counts: Sequence[int], shares: Sequence[float]) -> float:
    """How sure it is that groups with these shares do not have these counts by chance: 1 less the p of chi-square.

    What the shares lack to 1 is a group without anybody.
    """
    from scipy.special import chdtr

    total = sum(counts)
    expected = [total * share for share in shares]
    distance = sum((count - right) ** 2 / right for count, right in zip(counts, expected, strict=True) if right)
    # Of what nobody has, all that was expected is missing.
    missing = max(total - sum(expected), 0.0)
    groups = len(counts) + (missing > 1e-6 * total)
    return float(chdtr(groups - 1, distance + missing)) if total and groups > 1 else 0.0
