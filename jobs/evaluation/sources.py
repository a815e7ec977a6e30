"""The night's sources, asked on plain files: their lists for every viewer, and candidates with labels.

Belongs here: asking, and finding the labels among what was proposed. The sources: jobs/ranking/sources/. The lists:
jobs/ranking/lists.py.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from jobs.evaluation.baselines import BASELINES, POPULARITY
from jobs.evaluation.columns import Facts, facts_of, with_facts
from jobs.evaluation.data import Data, Watches
from jobs.evaluation.meter import Spent, measured
from jobs.evaluation.world import world_of
from jobs.ranking.lists import NOTHING, Lists, Union, lists_of, union
from jobs.ranking.sources import registry
from jobs.ranking.sources.kept_back import Choices
from jobs.ranking.sources.snapshot import Moment, take_snapshot
from jobs.ranking.sources.source import Source
from jobs.ranking.sources.tower import TOWER

# Sources that learn and propose beside each other: numpy and scipy leave Python alone for most of that time.
BESIDE = 2
# The best candidates that the ranker sees of a viewer.
DEPTH = 200
# Viewers whose candidates lie side by side at once.
AT_ONCE = 1024

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Asked:
    """What each source and some baselines propose to some viewers, who are in order, and facts of the same snapshot.

    `alone` has all lists by name, `spent` what each of them took, and `whole` what all took, some beside each other.
    """

    videos: int
    sources: tuple[Source, ...]
    viewers: NDArray[np.int64]
    alone: dict[str, Lists]
    facts: Facts
    spent: dict[str, Spent]
    whole: Spent

    @property
    def popularity(self) -> Lists:
        return self.alone[POPULARITY.name]

    @property
    def is_stranger(self) -> NDArray[np.bool_]:
        """Which viewers had watched nothing, so that most sources are silent."""
        unknown: NDArray[np.bool_] = self.facts.history[self.viewers] == 0
        return unknown

    @property
    def lists(self) -> tuple[Lists, ...]:
        """Those of the sources."""
        return tuple(self.alone[source.name] for source in self.sources)

    def without(self, source: Source) -> Asked:
        """As if the source had not been there."""
        sources = tuple(one for one in self.sources if one is not source)
        alone = {name: lists for name, lists in self.alone.items() if name != source.name}
        return replace(self, sources=sources, alone=alone)

    def candidates(self, rows: NDArray[np.int64]) -> Union:
        """The candidates of the viewers in these rows, with all columns."""
        together = union(self.sources, self.lists, rows, self.videos, DEPTH)
        return with_facts(together, self.viewers[rows], self.facts)


@dataclass(frozen=True)
class Labelled:
    """Candidates that the sources proposed to viewers (by number) with a label among them, and which ones are labels.

    `positives` is how many labels each viewer has, proposed or not; `judged` how many viewers have any.
    """

    sources: tuple[Source, ...]
    viewers: NDArray[np.int64]
    candidates: Union
    positive: NDArray[np.bool_]
    positives: NDArray[np.int64]
    judged: int

    def of(self, rows: NDArray[np.bool_] | slice) -> Labelled:
        """Some of the viewers."""
        videos, columns, values = self.candidates.videos[rows], self.candidates.columns, self.candidates.values[rows]
        viewers, positive, positives = self.viewers[rows], self.positive[rows], self.positives[rows]
        return Labelled(self.sources, viewers, Union(videos, columns, values), positive, positives, self.judged)


def ask(
    data: Data,
    watches: Watches,
    viewers: NDArray[np.int64],
    choices: Choices,
    tell: Tell,
    baselines: tuple[Source, ...] = BASELINES,
) -> Asked:
    """Let every source learn these watches and nothing else but the choices, and propose to the viewers."""
    sources = (*registry.JUDGED, TOWER) if data.tower else registry.JUDGED
    snapshot = take_snapshot(world_of(data, watches), data.now, choices=choices)
    moments = [Moment(int(viewer), data.now) for viewer in viewers]
    _ = snapshot.positives, snapshot.is_out, snapshot.tag_weights  # once, before anything shares them

    def asked(source: Source) -> tuple[Lists, Spent]:
        tell(source.name, 0, len(moments))
        with measured() as spent:
            lists = lists_of(source, snapshot, moments, partial(_tell, tell, source.name, len(moments)))
        return lists, spent

    everybody = (*sources, *baselines)
    with measured() as whole, ThreadPoolExecutor(BESIDE) as pool:
        found = dict(zip((source.name for source in everybody), pool.map(asked, everybody), strict=True))
    return Asked(
        videos=len(data.videos),
        sources=sources,
        viewers=viewers,
        alone={name: lists for name, (lists, _) in found.items()},
        facts=facts_of(snapshot, data.contents),
        spent={name: spent for name, (_, spent) in found.items()},
        whole=whole,
    )


def labelled(asked: Asked, pairs: Watches) -> Labelled:
    """The candidates of those whose pairs these are, and which of them are the pairs; strangers are only counted."""
    who, count = np.unique(pairs.viewer, return_counts=True)
    rows = np.searchsorted(asked.viewers, who)
    keys = np.sort(pairs.viewer * asked.videos + pairs.video)
    parts = []
    for begin in range(0, max(len(rows), 1), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        candidates = asked.candidates(rows[some])
        found = np.isin(who[some, None] * asked.videos + candidates.videos, keys) & (candidates.videos != NOTHING)
        # Nothing is learned or chosen by those whose labels nobody proposed; they count in the mean. Strangers get what
        # is popular whatever is chosen.
        kept = found.any(axis=1) & ~asked.is_stranger[rows[some]]
        chosen = Union(candidates.videos[kept], candidates.columns, candidates.values[kept])
        parts.append((who[some][kept], chosen, found[kept], count[some][kept]))
    viewers, unions, positive, positives = zip(*parts, strict=True)
    return Labelled(
        sources=asked.sources,
        viewers=np.concatenate(viewers),
        candidates=Union(
            np.concatenate([one.videos for one in unions]),
            unions[0].columns,
            np.concatenate([one.values for one in unions]),
        ),
        positive=np.concatenate(positive),
        positives=np.concatenate(positives),
        judged=len(who),
    )


def _tell(tell: Tell, name: str, many: int, done: int) -> None:
    tell(name, done, many)
