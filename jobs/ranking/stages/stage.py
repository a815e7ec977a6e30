"""What a re-rank stage is.

Belongs here: the parts of a stage, what it is given, and the arithmetic of places that several of them need. Each stage
has a module beside this one; which there are: registry.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Places = NDArray[np.int64]
Value = TypeVar("Value")


class Number(BaseModel, Generic[Value]):
    """One number of the policy, and why it is what it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Value
    why: str = Field(min_length=1)


class Numbers(BaseModel):
    """All numbers of a stage, each a Number."""

    model_config = ConfigDict(frozen=True, extra="forbid")


N = TypeVar("N", bound=Numbers)


@dataclass(frozen=True)
class Videos:
    """What stages know of videos, a row each; creators are numbered."""

    creators: NDArray[np.int64]


@dataclass(frozen=True)
class Lists:
    """The candidates of some lists, a row each: those of a list lie together, by the ids of their videos.

    `video` is a place in `videos`.
    """

    list_of: NDArray[np.int64]
    video: NDArray[np.int64]
    videos: Videos


@dataclass(frozen=True)
class Stage(Generic[N]):
    """One step from the order by scores to the feed."""

    # What the policy calls it.
    name: str
    numbers: type[N]
    # From the place of each candidate in its list, 0 for the top, to the place that it has from here on.
    move: Callable[[Lists, Places, N], Places]


def placed(list_of: NDArray[np.int64], *keys: NDArray[np.generic]) -> Places:
    """The place of each row in its list by the keys, the first one first; the last ties by row."""
    return count(np.lexsort((*reversed(keys), list_of)), list_of)


def count(order: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row, how many of its group come before it in an order that has groups one after the other."""
    grouped = groups[order]
    counted = np.empty(len(order), dtype=np.int64)
    counted[order] = np.arange(len(order)) - np.searchsorted(grouped, grouped)
    return counted
