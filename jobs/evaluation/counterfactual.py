"""What another policy would have earned, estimated from what one policy showed and by which chance.

Belongs here: the estimators, their intervals, and what tells that they cannot be trusted. The file: logged.py. The
lake: explored.py.

A row is one slot that was filled by chance: the logging policy showed an action with a known probability (its
propensity), a reward followed, and the policy in question would have shown the same action with its own probability.
With w = target probability / propensity:

- IPS, the mean of w * reward: right on average, and wide where weights are large. (Horvitz and Thompson, "A
  generalization of sampling without replacement from a finite universe", JASA 1952.)
- SNIPS, the sum of w * reward over the sum of w: no longer moved by a weight that all rewards share. (Swaminathan and
  Joachims, "The self-normalized estimator for counterfactual learning", NeurIPS 2015.)
- DR, the mean of q + w * (reward - q), where q is what this context earned on other rows: right if the propensities or
  q are, and narrower the more the context explains. (Dudík, Langford and Li, "Doubly robust policy evaluation and
  learning", ICML 2011; Chernozhukov et al., "Double/debiased machine learning", 2018, for fitting q on other rows.)
  q knows the context and not the action: the file holds the target probability of one action of each row, and does
  not say what the policy does with the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.evaluation.logged import Logged
from jobs.ranking.intervals import TWO_SIDED, Interval

FOLDS = 5
# A context's mean reward counts as many rows of the mean of all as this, so that one row is no knowledge.
SHRUNK_BY = 5.0
# Rows that a set of equal weights would need to be as good: below this, nothing is told by the interval either.
ENOUGH_EFFECTIVE = 100
# A mean weight this many half intervals from 1 is no chance: one log in a thousand.
NO_CHANCE = 1.68


@dataclass(frozen=True)
class Estimates:
    """The value of the policy in question, in rewards a row, and of the policy that was logged, for comparison.

    `mean_weight` has to be 1 where propensities are right and every action of the policy could be shown.
    """

    rows: int
    viewers: int  # what the intervals treat as one draw: viewers where the file names them, else rows
    logged: Interval
    ips: Interval
    snips: Interval
    dr: Interval
    mean_weight: Interval
    effective_rows: float
    largest_weight: float
    warnings: tuple[str, ...]


def estimate(log: Logged) -> Estimates:
    """All estimates of one log, with intervals of 95 % by their linear parts, summed by viewer."""
    weights = _weights(log)
    mean_weight = _mean(weights, log.viewer)
    effective = float(weights.sum() ** 2 / max((weights**2).sum(), 1e-300))
    return Estimates(
        rows=len(weights),
        viewers=int(log.viewer.max()) + 1,
        logged=_mean(log.reward, log.viewer),
        ips=_mean(weights * log.reward, log.viewer),
        snips=_ratio(weights * log.reward, weights, log.viewer),
        dr=_mean(_robust(log), log.viewer),
        mean_weight=mean_weight,
        effective_rows=effective,
        largest_weight=float(weights.max()),
        warnings=tuple(_warnings(mean_weight, effective)),
    )


def difference(one: Logged, other: Logged) -> Interval:
    """The doubly robust estimate of one policy less that of another, by the same slots: what they share falls out."""
    return _mean(_robust(one) - _robust(other), one.viewer)


def expected(log: Logged) -> NDArray[np.float64]:
    """Rows: the mean reward of the row's context on the other folds of viewers, drawn towards the mean of all."""
    fold = log.viewer % FOLDS
    contexts = int(log.context.max()) + 1
    found = np.empty(len(log.reward))
    for part in range(FOLDS):
        own, others = fold == part, fold != part
        mean = log.reward[others].mean() if others.any() else 0.0
        total = np.bincount(log.context[others], log.reward[others], contexts)
        count = np.bincount(log.context[others], minlength=contexts)
        found[own] = ((total + SHRUNK_BY * mean) / (count + SHRUNK_BY))[log.context[own]]
    return found


def _weights(log: Logged) -> NDArray[np.float64]:
    return log.target_probability / log.propensity


def _robust(log: Logged) -> NDArray[np.float64]:
    """What each row adds to the doubly robust estimate."""
    q = expected(log)
    return q + _weights(log) * (log.reward - q)


def _warnings(mean_weight: Interval, effective: float) -> list[str]:
    said = []
    if abs(mean_weight.value - 1) > NO_CHANCE * (mean_weight.high - mean_weight.value):
        said.append(
            f"the mean weight is {mean_weight.value:.3f} [{mean_weight.low:.3f}, {mean_weight.high:.3f}] and has to be "
            "1: a propensity is not the chance by which the action was shown, or the policy in question shows what was "
            "never logged"
        )
    if effective < ENOUGH_EFFECTIVE:
        said.append(
            f"the weights leave as much as {effective:.0f} rows of equal weight, fewer than {ENOUGH_EFFECTIVE}: the "
            "intervals are too narrow to be believed. Log more, or judge a policy that is nearer to the logged one"
        )
    return said


def _mean(values: NDArray[np.float64], viewer: NDArray[np.int64]) -> Interval:
    return _ratio(values, np.ones(len(values)), viewer)


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64], viewer: NDArray[np.int64]) -> Interval:
    """The sum of one over the sum of the other. Its spread is that of the linear part of the ratio, which is a sum."""
    total = below.sum()
    if total == 0:
        return Interval(np.nan, np.nan, np.nan)
    value = float(above.sum() / total)
    linear = np.bincount(viewer, above - value * below) / total
    draws = len(linear)
    spread = TWO_SIDED * float(np.sqrt((linear**2).sum() * draws / max(draws - 1, 1)))
    return Interval(value, value - spread, value + spread)
