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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.features import ties
from jobs.ranking.intervals import Bootstrap, Interval
from jobs.ranking.metrics import K, ndcg
from jobs.ranking.sources import registry
from jobs.ranking.sources.fresh import FRESH_VIEWERS
from jobs.ranking.spacing import positions
from jobs.ranking.training_set import GROUP

if TYPE_CHECKING:
    import pandas as pd

    from jobs.ranking.rankers.ranker import Scorer

SEED = 20_240_301
# What is decided is what is written down, and BLAS differs beyond from one machine to the next.
DECIMALS = 5
VIEWERS_TOTAL = "video__viewers_total"


class Reach(NamedTuple):
    """What all lists of a system show: the share of videos that have a slot, and of slots that have a new video."""

    coverage: float
    new_share: float


@dataclass(frozen=True)
class Compared:
    """nDCG@K of each viewer (rows, in the order of their ids) under each system (columns), and what lists show."""

    systems: tuple[str, ...]
    figures: NDArray[np.float64]
    reach: Mapping[str, Reach]
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


def judge(rows: pd.DataFrame, systems: Mapping[str, Scorer], creators: Mapping[str, str]) -> Compared:
    """Compare the systems on `ordered` rows that judge, with the ranker's features.

    `creators` has the creator of every published video. A moment after which nothing was watched judges nothing; one
    without a hit counts 0.
    """
    rows = rows[rows.groupby(GROUP)["label"].transform("max") > 0]
    lists: NDArray[np.int64] = rows.groupby(GROUP, sort=True).ngroup().to_numpy()
    creator = rows["video_id"].map(creators)
    proposed = rows[[source.column("rank") for source in registry.SOURCES]].notna().any(axis=1)
    listed = (proposed & creator.notna()).to_numpy()
    candidates, labels = rows[listed], rows["label"].to_numpy()
    tied = [candidates[column].to_numpy(dtype=np.float64, na_value=np.nan) for column in ties()]
    number = np.unique(creator[listed].to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64)
    viewer, viewers = _viewers(rows)

    figures, reach = np.zeros((viewers, len(systems))), {}
    for place, (name, model) in enumerate(systems.items()):
        position = np.full(len(rows), np.inf)
        position[listed] = positions(lists[listed], model.score(candidates), tied, number)
        gained = ndcg(labels, position, lists)
        figures[:, place] = np.bincount(viewer, gained, viewers) / np.bincount(viewer, minlength=viewers)
        reach[name] = _reach(rows[position < K], len(creators))
    return Compared(tuple(systems), figures, reach, len(viewer))


def _viewers(rows: pd.DataFrame) -> tuple[NDArray[np.int64], int]:
    """For each moment the number of its viewer, and how many viewers there are."""
    ids, viewer = np.unique(rows.drop_duplicates(GROUP)["user_id"].to_numpy(dtype=str), return_inverse=True)
    return viewer, len(ids)


def _reach(shown: pd.DataFrame, videos: int) -> Reach:
    """What is in the first K slots of all lists."""
    few = shown[VIEWERS_TOTAL].fillna(0).to_numpy() < FRESH_VIEWERS
    coverage = shown["video_id"].nunique() / max(videos, 1)
    return Reach(round(coverage, DECIMALS), round(float(few.mean()) if len(few) else 0.0, DECIMALS))
