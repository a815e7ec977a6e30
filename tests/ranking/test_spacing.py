"""Spacing: the best first, and videos of one creator a little apart."""

import numpy as np
from numpy.typing import NDArray

from jobs.ranking.features import ties
from jobs.ranking.policy import OURS, read
from jobs.ranking.spacing import by_score, positions
from jobs.ranking.stages.stage import Lists, Videos

CREATORS = {"busy0": 0, "busy1": 0, "busy2": 0, "busy3": 0, "a": 1, "b": 2, "c": 3}


def order(videos: list[str], scores: list[float], **ranks: dict[str, int]) -> list[str]:
    """One viewer's videos as their feed has them; `ranks` are of sources, by video."""
    listed = sorted(videos)
    score = dict(zip(videos, scores, strict=True))
    tied = [np.array([ranks.get(column, {}).get(video, np.nan) for video in listed]) for column in ties()]
    known = Videos(creators=np.array([CREATORS[video] for video in listed]))
    place = by_score(_zeros(listed), np.array([score[video] for video in listed]), tied)
    found = positions(Lists(_zeros(listed), np.arange(len(listed)), known), place, read(OURS))
    assert sorted(found) == list(range(len(videos)))
    return [listed[row] for row in np.argsort(found)]


def best_first(*videos: str) -> list[str]:
    return order(list(videos), [-float(place) for place in range(len(videos))])


def test_further_videos_of_one_creator_let_others_in_between() -> None:
    assert best_first("busy0", "busy1", "busy2", "a", "b", "c") == ["busy0", "busy1", "a", "b", "c", "busy2"]


def test_where_all_are_of_one_creator_the_order_is_the_rankers() -> None:
    assert best_first("busy3", "busy1", "busy0", "busy2") == ["busy3", "busy1", "busy0", "busy2"]


def test_equal_scores_are_ordered_by_popularity_then_freshness_then_id() -> None:
    ranks = {"fresh_rank": {"a": 2, "b": 1}, "popular_rank": {"c": 7}}
    assert order(["busy0", "a", "b", "c"], [0.0] * 4, **ranks) == ["c", "b", "a", "busy0"]


def test_each_list_has_positions_of_its_own() -> None:
    lists, scores = np.array([0, 0, 1, 1, 1]), np.array([1.0, 2.0, 5.0, 9.0, 7.0])
    tied = [np.full(5, np.nan) for _ in ties()]
    assert by_score(lists, scores, tied).tolist() == [1, 0, 2, 0, 1]


def _zeros(of: list[str]) -> NDArray[np.int64]:
    return np.zeros(len(of), dtype=np.int64)
