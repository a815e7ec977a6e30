"""Whole lists for every viewer, from scores or from one source alone.

Belongs here: putting in order, and filling up what is too short with what is popular. What gives the scores: stack.py
and choice.py. What judges the lists: judge.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from jobs.evaluation.sources import AT_ONCE, Asked
from jobs.ranking.lists import NOTHING, Lists, Union

# How long a list is: as long as the curves of the page are.
LENGTH = 50

# Scores for the candidates of some viewers, viewers x places, -inf where a list has ended.
Order = Callable[[NDArray[np.int64], Union], NDArray[np.float64]]


def rank_all(
    asked: Asked, orders: Mapping[str, Order], length: int, tell: Callable[[int, int], None]
) -> dict[str, NDArray[np.int32]]:
    """The lists of every order for all viewers, from the same candidates."""
    lists = {name: np.full((len(asked.viewers), length), NOTHING, dtype=np.int32) for name in orders}
    for begin in range(0, len(asked.viewers), AT_ONCE):
        rows = np.arange(begin, min(begin + AT_ONCE, len(asked.viewers)))
        candidates = asked.candidates(rows)
        for name, score in orders.items():
            lists[name][rows] = in_order(candidates.videos, score(asked.viewers[rows], candidates), length)
        tell(len(rows) + begin, len(asked.viewers))
    return {name: filled_up(one, asked.popularity) for name, one in lists.items()}


def alone(lists: Lists, popularity: Lists, length: int) -> NDArray[np.int32]:
    """One source's own order."""
    return filled_up(_as_long_as(lists.videos, length), popularity)


def in_order(videos: NDArray[np.int32], scores: NDArray[np.float64], length: int) -> NDArray[np.int32]:
    """The videos by score; equal ones keep their places."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :length]
    return _as_long_as(np.take_along_axis(videos, order, axis=1), length)


def filled_up(lists: NDArray[np.int32], popularity: Lists) -> NDArray[np.int32]:
    """Lists that end early go on with the most popular videos that they lack."""
    full, short = lists.copy(), np.flatnonzero((lists == NOTHING).any(axis=1))
    for begin in range(0, len(short), AT_ONCE):
        rows = short[begin : begin + AT_ONCE]
        own, more = lists[rows], popularity.videos[rows]
        # A number for each row and video, so that one look-up is enough for all rows.
        first = np.arange(len(rows))[:, None] * (2 + max(int(own.max()), int(more.max(initial=NOTHING))))
        every = np.hstack([own, np.where(np.isin(first + more, first + own), NOTHING, more)])
        videos_first = np.argsort(every == NOTHING, axis=1, kind="stable")[:, : lists.shape[1]]
        full[rows] = np.take_along_axis(every, videos_first, axis=1)
    return full


def _as_long_as(lists: NDArray[np.int32], length: int) -> NDArray[np.int32]:
    missing = max(0, length - lists.shape[1])
    return np.pad(lists[:, :length], ((0, 0), (0, missing)), constant_values=NOTHING)
