"""What the sources have in common, and what each brings to the lists that serve.

Belongs here: counting slots. No test file is needed for it, and none is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.evaluation.sources import Asked
from jobs.ranking.lists import NOTHING

# The places of a list that count.
TOP = 20


@dataclass(frozen=True)
class Overlap:
    """`shared[a][b]`: the share of a's top places that stand in b's top too.

    `brought[list][a]`: of the top places of a serving list, the share that stand in a's top, and that stand in no other
    source's.
    """

    shared: dict[str, dict[str, float]]
    brought: dict[str, dict[str, tuple[float, float]]]


def overlap_of(asked: Asked, serving: Mapping[str, tuple[Asked, NDArray[np.int32]]]) -> Overlap:
    """Count over all viewers who were asked. Each serving list is told from the sources that it is made of."""
    names = [source.name for source in asked.sources]
    keys = [_keys(one.videos, asked.videos) for one in asked.lists]
    shared = {
        a: {b: _share(np.isin(mine, theirs)) for b, theirs in zip(names, keys, strict=True)}
        for a, mine in zip(names, keys, strict=True)
    }
    brought = {}
    for name, (made_of, lists) in serving.items():
        mine = _keys(lists, made_of.videos)
        stands = np.array([np.isin(mine, _keys(one.videos, made_of.videos)) for one in made_of.lists])
        alone = stands & (stands.sum(axis=0) == 1)
        brought[name] = {a.name: (_share(stands[n]), _share(alone[n])) for n, a in enumerate(made_of.sources)}
    return Overlap(shared, brought)


def _keys(lists: NDArray[np.int32], videos: int) -> NDArray[np.int64]:
    top = lists[:, :TOP]
    row, place = np.nonzero(top != NOTHING)
    return row * videos + top[row, place].astype(np.int64)


def _share(mask: NDArray[np.bool_]) -> float:
    return float(mask.mean()) if mask.size else 0.0
