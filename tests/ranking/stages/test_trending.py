"""trending: what rises has some slots."""

import numpy as np
import pytest

from jobs.ranking.stages.stage import Videos
from jobs.ranking.stages.trending import TRENDING
from tests.ranking.stages.lists import order, videos


def rising(many: int, **ranks: int) -> Videos:
    """So many videos, of which some rise: v3=1 is the fourth, and first among what rises."""
    known = np.zeros(many, dtype=np.int64)
    for video, rank in ranks.items():
        known[int(video[1:])] = rank
    return videos(many, rising=known)


def test_the_viewers_best_one_of_what_rises_comes_up_to_its_slot() -> None:
    assert order(TRENDING, rising(9, v5=2, v7=1), first=2) == [0, 1, 5, 2, 3, 4, 6, 7, 8]


def test_each_slot_has_the_next_best_and_what_stands_above_already_stays() -> None:
    assert order(TRENDING, rising(8, v0=1, v6=2, v7=3), slots=3, first=1, apart=2) == [0, 1, 2, 6, 3, 7, 4, 5]
    assert order(TRENDING, rising(8, v2=1, v5=2), slots=2, first=1, apart=1) == [0, 2, 5, 1, 3, 4, 6, 7]


@pytest.mark.parametrize("known", [rising(9, v8=1), rising(9, v5=21), rising(9), videos(9)])
def test_what_stands_far_down_hardly_rises_or_is_not_proposed_stays_where_it_is(known: Videos) -> None:
    assert order(TRENDING, known, first=2, among=8, ranks=20) == list(range(9))
