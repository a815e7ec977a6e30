"""The ranker over the sources: learned from labels of viewers, so that nobody is ranked by their own labels.

Belongs here: the folds, what is thinned, and the scores. The trees and their parameters:
jobs/ranking/rankers/lightgbm.py. What the columns are: columns.py. Which order serves: choice.py.

The pair that is a viewer's test positive was a negative wherever it was no label yet. Trees that saw the viewer's row
remember it, so each viewer's candidates are scored by trees that were grown on other viewers, as a choice by the same
labels needs it anyway. How many rounds they grow is one number for all folds: what is best for all viewers, each by the
trees that did not see them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jobs.evaluation.data import hashed
from jobs.evaluation.sources import Labelled
from jobs.ranking.lists import NOTHING, Union
from jobs.ranking.mixing import mixed
from jobs.ranking.rankers.lightgbm import Grouped, grow_alike
from jobs.ranking.training_set import NEGATIVES

if TYPE_CHECKING:
    import lightgbm as lgb

FOLDS = 4
# A score for each candidate of viewers, -inf where a list has ended.
Plain = Callable[[Union], NDArray[np.float64]]
# Rows of each set of labels that one fold learns from at most: whole viewers are left out.
ROWS = 600_000


@dataclass(frozen=True)
class Folds:
    """Trees for each fold of viewers, grown on the others, and the plain order that all of them correct."""

    trees: list[lgb.Booster]
    parts: NDArray[np.int64]  # the fold of every viewer
    prior: Plain

    def score(self, viewers: NDArray[np.int64], candidates: Union) -> NDArray[np.float64]:
        """viewers x places: one number for each candidate, -inf where a list has ended."""
        scores, start = np.full(candidates.videos.shape, -np.inf), steps(self.prior(candidates))
        filled = candidates.videos != NOTHING
        for part, trees in enumerate(self.trees):
            own = filled & (self.parts[viewers] == part)[:, None]
            if own.any():
                added = trees.predict(candidates.values[own], num_threads=0)
                scores[own] = np.round(added + start[own], 6)
        return scores

    def importance(self) -> dict[str, float]:
        """The share of all gain that each column brought."""
        gain = np.sum([trees.feature_importance("gain") for trees in self.trees], axis=0)
        return dict(zip(self.trees[0].feature_name(), (gain / max(gain.sum(), 1e-12)).tolist(), strict=True))


def learn(
    taught: Sequence[Labelled], viewers: NDArray[np.object_], prior: Plain, tell: Callable[[int, int], None]
) -> Folds:
    """Grow the trees of every fold. `viewers` are the ids of all, by which the folds are drawn.

    All of `taught` teaches, and the first of it stops. `prior` is the best plain order: trees that start from it learn
    corrections, as those of the night do.
    """
    draw = hashed(viewers)
    parts = (draw % FOLDS).astype(np.int64)
    starts = [steps(prior(labelled.candidates)) for labelled in taught]

    def rows_of(part: int) -> tuple[Grouped, Grouped]:
        is_own = [parts[labelled.viewers] == part for labelled in taught]
        teaching = [
            _grouped(labelled, start, np.flatnonzero(~own), draw, thin=True)
            for labelled, start, own in zip(taught, starts, is_own, strict=True)
        ]
        return _together(teaching), _grouped(taught[0], starts[0], np.flatnonzero(is_own[0]), draw, thin=False)

    trees = grow_alike(rows_of, FOLDS, taught[0].candidates.columns, tell)
    return Folds(trees, parts, prior)


def _grouped(
    labelled: Labelled, start: NDArray[np.float64], rows: NDArray[np.int64], draw: NDArray[np.uint64], thin: bool
) -> Grouped:
    """The candidates of the viewers in these rows, as LightGBM reads them; `thin` leaves negatives out."""
    videos, positive = labelled.candidates.videos[rows], labelled.positive[rows]
    kept = videos != NOTHING
    if thin:
        one_in = mixed(draw[labelled.viewers[rows]][:, None], videos.astype(np.uint64)) % np.uint64(NEGATIVES) == 0
        kept &= positive | one_in
    # By the draw and not by number, or the first ids would teach everything.
    by_draw = np.argsort(draw[labelled.viewers[rows]], kind="stable")
    within = by_draw[np.cumsum(kept[by_draw].sum(axis=1)) <= ROWS]
    kept[np.setdiff1d(np.arange(len(rows)), within)] = False
    sizes = kept.sum(axis=1)
    row, place = np.nonzero(kept)
    return Grouped(
        matrix=labelled.candidates.values[rows[row], place],
        labels=positive[kept].astype(np.int32),
        sizes=sizes[sizes > 0],
        start=start[rows][kept],
    )


def _together(groups: Sequence[Grouped]) -> Grouped:
    """The groups of all, one after the other."""
    start = np.concatenate([some.start for some in groups if some.start is not None])
    matrix, labels, sizes = (np.concatenate(parts) for parts in zip(*(some[:3] for some in groups), strict=True))
    return Grouped(matrix, labels, sizes, start)


def steps(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """-log2(1 + place) of each candidate in its row's order, where nDCG's own discount has its steps."""
    order = np.argsort(-scores, axis=1, kind="stable")
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(scores.shape[1])[None, :], axis=1)
    start: NDArray[np.float64] = -np.log2(place + 2)
    return start


def mean(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores between two orders of the same candidates: the sum of their steps, -inf where a list has ended."""
    return np.where(np.isneginf(one), -np.inf, steps(one) + steps(other))
