"""What a re-rank stage is.

Belongs here: the parts of a stage, what it is given, and the arithmetic of places that several of them need. Each stage
has a module beside this one; which there are: registry.py. Where what it knows of videos comes from: known.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Places = NDArray[np.int64]
# What is looked up for stages that are on, beside creators: fields of Videos.
Need = Literal["hashtags", "sounds", "vectors", "rising", "viewers"]
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
    """What stages know of videos, a row each; None of what nobody looked up, or nobody knows.

    `creators` and `sounds` are numbered, -1 for a sound of the video's own. `hashtags`: videos x hashtags, an entry for
    each that a video has. `vectors`: rows of length 1, or 0 of a video without one; half as exact as they were learned,
    since every task holds them. `rising`: the rank among trending videos, 0 of all others. `viewers`: how many there
    were ever, and `small`: whether the creator is one of the small ones.
    """

    creators: NDArray[np.int64]
    hashtags: csr_matrix | None = None
    sounds: NDArray[np.int64] | None = None
    vectors: NDArray[np.float16] | None = None
    rising: NDArray[np.int64] | None = None
    viewers: NDArray[np.int64] | None = None
    small: NDArray[np.bool_] | None = None

    @cached_property
    def hashtag_shares(self) -> NDArray[np.float64]:
        """Of each hashtag, the share of the videos that have it."""
        assert self.hashtags is not None
        shares: NDArray[np.float64] = self.hashtags.getnnz(axis=0) / max(self.hashtags.shape[0], 1)
        return shares


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
    # Whether it moves anything by these numbers: what is off costs nothing, and nothing is looked up for it.
    is_on: Callable[[N], bool]
    needs: tuple[Need, ...] = ()


def placed(list_of: NDArray[np.int64], *keys: NDArray[np.generic]) -> Places:
    """The place of each row in its list by the keys, the first one first; the last ties by row."""
    return count(np.lexsort((*reversed(keys), list_of)), list_of)


def further(list_of: NDArray[np.int64], place: Places, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row, how many of its list and group stand above it; groups are numbered from 0."""
    within = list_of * (groups.max(initial=0) + 1) + groups
    return count(np.lexsort((place, within)), within)


def lifted(lists: Lists, place: Places, wanted: NDArray[np.bool_], goals: Sequence[int]) -> Places:
    """The n-th best of the `wanted` in a list stands at the n-th of the ascending `goals`, or above it.

    What was between goes down by one. Beyond the goals nothing is lifted.
    """
    turn = np.full(len(place), len(goals))
    turn[wanted] = further(lists.list_of[wanted], place[wanted], np.zeros(np.count_nonzero(wanted), dtype=np.int64))
    for nth, goal in enumerate(goals):
        is_nth = turn == nth
        begin = np.zeros(int(lists.list_of.max(initial=-1)) + 1, dtype=np.int64)
        begin[lists.list_of[is_nth]] = place[is_nth]
        is_passed = (place >= goal) & (place < begin[lists.list_of])
        place = np.where(is_nth, np.minimum(place, goal), place + is_passed)
    return place


def count(order: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row, how many of its group come before it in an order that has groups one after the other."""
    grouped = groups[order]
    counted = np.empty(len(order), dtype=np.int64)
    counted[order] = np.arange(len(order)) - np.searchsorted(grouped, grouped)
    return counted
