"""Which order serves: a source alone, a blend of sources, or the ranker; chosen by labels that none of them saw.

Belongs here: blends, and the choice by nDCG@20 on the validation labels. What is chosen among: stack.py
and the sources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.evaluation import metrics
from jobs.evaluation.data import Watches
from jobs.evaluation.rankings import alone
from jobs.evaluation.sources import Asked, Labelled
from jobs.ranking.lists import NOTHING, RRF, Union
from jobs.ranking.sources.source import Source

# What the choice is made by.
K = 20
# Sources are added one at a time, each as often as it helps, up to STEPS times in all. (Caruana et al., "Ensemble
# selection from libraries of models", ICML 2004.)
STEPS = 20
# Viewers by whom weights are sought: enough to tell orders apart, and fewer than a minute takes.
ENOUGH = 3000
# Positives whose places are counted at once.
ROWS = 10_000


@dataclass(frozen=True)
class Blend:
    """A weighted sum of what sources say of a candidate, in the order of `signals`."""

    sources: tuple[Source, ...]
    weights: tuple[float, ...]

    def score(self, candidates: Union) -> NDArray[np.float64]:
        """viewers x places, -inf where a list has ended."""
        scores = np.round(signals(self.sources, candidates) @ np.asarray(self.weights), 9)
        return np.where(candidates.videos == NOTHING, -np.inf, scores)


def signals(sources: Sequence[Source], candidates: Union) -> NDArray[np.float64]:
    """viewers x places x signals: each source's reciprocal rank, then each one's share of its best; 0 if silent."""
    ranks = candidates.values[:, :, [candidates.columns.index(s.column("rank")) for s in sources]]
    shares = candidates.values[:, :, [candidates.columns.index(s.column("share")) for s in sources if s.has_share]]
    return np.nan_to_num(np.concatenate([(RRF + 1) / (RRF + ranks), shares], axis=2).astype(np.float64))


def names_of(sources: Sequence[Source]) -> list[str]:
    """What each signal is called."""
    return [f"{s.name} rank" for s in sources] + [f"{s.name} share" for s in sources if s.has_share]


def fusion(sources: tuple[Source, ...]) -> Blend:
    """Every source's reciprocal rank alike."""
    return Blend(sources, (1.0,) * len(sources) + (0.0,) * sum(s.has_share for s in sources))


def fitted(labelled: Labelled) -> Blend:
    """The weights that do best on these labels."""
    sources = labelled.sources
    if not len(labelled.viewers):
        return fusion(sources)
    some = labelled.of(slice(None, None, max(1, len(labelled.viewers) // ENOUGH)))
    positive, positives = some.positive, some.positives
    every, ended = signals(sources, some.candidates), some.candidates.videos == NOTHING
    weights, total, best = np.zeros(every.shape[2]), np.where(ended, -np.inf, 0.0), 0.0
    # A source that is silent everywhere leaves the order of the fusion: as a first step it may be the best, and no
    # second one then betters it.
    heard = np.flatnonzero(every.any(axis=(0, 1))).tolist()
    for _ in range(STEPS):
        tried = {n: ndcg(total + every[:, :, n], positive, positives).mean() for n in heard}
        winner = max(tried, key=lambda n: tried[n])
        if tried[winner] <= best:
            break
        best = tried[winner]
        weights[winner] += 1
        total = total + every[:, :, winner]
    return Blend(sources, tuple((weights / max(weights.sum(), 1)).tolist()))


class Strangers(NamedTuple):
    """Whose list viewers get who had watched nothing, whatever is chosen for all others, and what that is worth: their
    part of the mean nDCG@20 over all who have labels."""

    name: str
    worth: float


def strangers(asked: Asked, names: Sequence[str], chooses: Watches) -> Strangers:
    """Of what is popular by these names, the one that is best for everybody.

    What blends and trees make of the few sources that know a stranger was learned from viewers who are none: on
    KuaiRec's fully observed part it had half of popularity's nDCG (docs/decisions/0016).
    """
    lists = {name: alone(asked.alone[name], asked.popularity, K) for name in names}
    name = best_of({name: measure_lists(asked, one, chooses) for name, one in lists.items()})
    is_theirs = asked.is_stranger[np.searchsorted(asked.viewers, chooses.viewer)]
    theirs, share = chooses.where(is_theirs), len(np.unique(chooses.viewer[is_theirs])) / len(np.unique(chooses.viewer))
    return Strangers(name, measure_lists(asked, lists[name], theirs) * share if share else 0.0)


def by_halves(labelled: Labelled) -> NDArray[np.float64]:
    """What `fitted` says of each candidate, of each half of the viewers by weights that were found on the other."""
    half = np.arange(len(labelled.viewers)) % 2
    scores = np.empty(labelled.candidates.videos.shape)
    for own in (0, 1):
        scores[half == own] = fitted(labelled.of(half != own)).score(labelled.of(half == own).candidates)
    return scores


def measure(labelled: Labelled, scores: NDArray[np.float64], strangers: Strangers) -> float:
    """The mean nDCG@20 over all who have labels."""
    known = ndcg(scores, labelled.positive, labelled.positives).sum() / labelled.judged
    return float(known + strangers.worth)


def ndcg(scores: NDArray[np.float64], positive: NDArray[np.bool_], positives: NDArray[np.int64]) -> NDArray[np.float64]:
    """nDCG@20 of each viewer, whose candidates are a row; equal scores keep their places."""
    row, column = np.nonzero(positive)
    place = np.empty(len(row), dtype=np.int64)
    # To count what stands above the positives is many times faster than to sort all candidates.
    for first in range(0, len(row), ROWS):
        some = slice(first, first + ROWS)
        of_row, own = scores[row[some]], scores[row[some], column[some], None]
        equal_before = (of_row == own) & (np.arange(scores.shape[1]) < column[some, None])
        place[some] = np.count_nonzero((of_row > own) | equal_before, axis=1)
    hits = np.zeros((len(scores), K), dtype=np.bool_)
    hits[row[place < K], place[place < K]] = True
    return metrics.ndcg(hits, positives, K)


def measure_lists(asked: Asked, lists: NDArray[np.int32], pairs: Watches) -> float:
    """The mean nDCG@20 of whole lists, one for each viewer asked, over all whose pairs these are."""
    who, positives = np.unique(pairs.viewer, return_counts=True)
    top = lists[np.searchsorted(asked.viewers, who), :K]
    hits = np.isin(who[:, None] * asked.videos + top, pairs.viewer * asked.videos + pairs.video) & (top != NOTHING)
    return float(metrics.ndcg(hits, positives, K).mean())


def best_of(measured: Mapping[str, float]) -> str:
    """The name of the best; of equal ones, the first."""
    return max(measured, key=lambda name: measured[name])
