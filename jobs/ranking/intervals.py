"""Intervals of 95 % by the bootstrap: viewers are drawn with replacement, all their numbers together.

Belongs here: the draw, and what becomes of it. All systems are judged on the same draws, so a difference of two is
paired: what a draw of easy viewers gives to one, it gives to the other. (Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993, percentile intervals.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# The ends of an interval vary by some 3 % of its width from seed to seed.
DRAWS = 1000
# Draws that are held at once, as counts per viewer.
AT_ONCE = 100
# Coverage and Gini are counted anew for every draw. A draw has fewer different viewers than there are, so its coverage
# is too small; the spread is right, and stands around the value.
RECOUNTS, TWO_SIDED = 100, 1.96


class Interval(NamedTuple):
    """A value and the ends of its interval of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Bootstrap:
    """Draws of so many viewers."""

    viewers: int
    seed: int

    @cached_property
    def _counts(self) -> NDArray[np.float32]:
        """Draws x viewers: how often each draw has each viewer."""
        chance = np.random.default_rng(self.seed)
        counts = np.empty((DRAWS, self.viewers), dtype=np.float32)
        for draw in range(DRAWS):
            counts[draw] = np.bincount(chance.integers(0, self.viewers, self.viewers), minlength=self.viewers)
        return counts

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Draws x columns: the sums of viewers x columns over each draw."""
        parts = [self._counts[n : n + AT_ONCE] @ values.astype(np.float32) for n in range(0, DRAWS, AT_ONCE)]
        return np.concatenate(parts).astype(np.float64)

    def means(self, values: NDArray[np.float64]) -> list[Interval]:
        """The mean of each column of viewers x columns."""
        return self.ratios(values, np.ones(len(values)))

    def ratios(self, values: NDArray[np.float64], over: NDArray[np.float64]) -> list[Interval]:
        """The sum of each column over the sum of `over`: means of a part of the viewers, or hits over positives."""
        below = self.sums(over[:, None])
        # A draw may have nobody of a small part; it says nothing of it.
        drawn = self.sums(values)[below[:, 0] > 0] / below[below[:, 0] > 0]
        value = values.sum(axis=0) / over.sum()
        low, high = np.percentile(drawn, [2.5, 97.5], axis=0) if len(drawn) else (value, value)
        return [Interval(*map(float, three)) for three in zip(value, low, high, strict=True)]

    def recounted(self, value: float, again: list[float]) -> Interval:
        """The interval of what is counted anew for every draw."""
        spread = TWO_SIDED * float(np.std(again)) if again else 0.0
        return Interval(value, value - spread, value + spread)

    def some(self) -> NDArray[np.float32]:
        """The first RECOUNTS draws, as counts per viewer."""
        return self._counts[:RECOUNTS]
