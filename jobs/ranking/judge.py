"""Judges whole lists: what each system would have served at past moments, by what the viewers watched from then on.

Belongs here: lists, their figures, and intervals of the figures and of their differences. At which moments: moments.py.
What follows from the figures: gate.py. Files of one's own are judged by jobs/evaluation/.

Lists are judged without the slots that chance fills (jobs/feeds/draws.py): these are the same for all systems,
and would add noise and no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.features import ties
from jobs.ranking.guard_facts import GuardFacts
from jobs.ranking.guards import DECIMALS, Guarded, measured
from jobs.ranking.intervals import Bootstrap, Interval
from jobs.ranking.metrics import K, ndcg
from jobs.ranking.policy import Policy
from jobs.ranking.sources import registry
from jobs.ranking.spacing import by_score, positions
from jobs.ranking.stages.stage import Lists
from jobs.ranking.training_set import GROUP

if TYPE_CHECKING:
    import pandas as pd

    from jobs.ranking.rankers.ranker import Scorer

SEED = 20_240_301


@dataclass(frozen=True)
class Compared:
    """nDCG@K of each viewer (rows, in the order of their ids) under each system (columns), and the guards."""

    systems: tuple[str, ...]
    figures: NDArray[np.float64]
    guarded: Mapping[str, Guarded]
    moments: int

    @property
    def viewers(self) -> int:
        return len(self.figures)

    def mean(self, system: str) -> Interval:
        """The mean over viewers."""
        return self._mean(self.figures[:, [self.systems.index(system)]])

    def difference(self, one: str, other: str) -> Interval:
        """The mean of one system less that of another, on the same draws of viewers."""
        here, there = self.systems.index(one), self.systems.index(other)
        return self._mean(self.figures[:, [here]] - self.figures[:, [there]])

    @cached_property
    def _draws(self) -> Bootstrap:
        return Bootstrap(self.viewers, SEED)

    def _mean(self, values: NDArray[np.float64]) -> Interval:
        (found,) = self._draws.means(values)
        return Interval(*(round(end, DECIMALS) for end in found))


def judge(rows: pd.DataFrame, systems: Mapping[str, Scorer], facts: GuardFacts, policy: Policy) -> Compared:
    """Compare the systems, each with the policy, on `ordered` rows that judge, with the ranker's features.

    A moment after which nothing was watched judges nothing; one without a hit counts 0.
    """
    rows = rows[rows.groupby(GROUP)["label"].transform("max") > 0]
    lists: NDArray[np.int64] = rows.groupby(GROUP, sort=True).ngroup().to_numpy()
    creator = rows["video_id"].map(facts.creators)
    proposed = rows[[source.column("rank") for source in registry.SOURCES]].notna().any(axis=1)
    listed = (proposed & creator.notna()).to_numpy()
    candidates, labels = rows[listed], rows["label"].to_numpy()
    tied = [candidates[column].to_numpy(dtype=np.float64, na_value=np.nan) for column in ties()]
    made = Lists(lists[listed], _places(candidates["video_id"], facts), facts.videos)
    viewer, viewers = _viewers(rows)

    figures, guarded = np.zeros((viewers, len(systems))), {}
    many = np.bincount(lists[listed], minlength=len(viewer))
    for place, (name, model) in enumerate(systems.items()):
        position = np.full(len(rows), np.inf)
        by_itself = by_score(made.list_of, model.score(candidates), tied)
        position[listed] = positions(made, by_itself, policy)
        gained = ndcg(labels, position, lists)
        figures[:, place] = np.bincount(viewer, gained, viewers) / np.bincount(viewer, minlength=viewers)
        seen = position < K
        guarded[name] = measured(rows[seen], lists[seen], many, model.steps, facts)
    return Compared(tuple(systems), figures, guarded, len(viewer))


def _places(videos: pd.Series[str], facts: GuardFacts) -> NDArray[np.int64]:
    """The place of each video among those of the facts."""
    import pandas as pd

    places: NDArray[np.int64] = pd.Index(list(facts.creators)).get_indexer(videos).astype(np.int64)
    return places


def _viewers(rows: pd.DataFrame) -> tuple[NDArray[np.int64], int]:
    """For each moment the number of its viewer, and how many viewers there are."""
    ids, viewer = np.unique(rows.drop_duplicates(GROUP)["user_id"].to_numpy(dtype=str), return_inverse=True)
    return viewer, len(ids)
