"""small_creators: a slot for a video that hardly anybody has seen, of a creator whom few watch."""

import numpy as np

from jobs.ranking.stages.small_creators import SMALL_CREATORS
from tests.ranking.stages.lists import order, videos


def test_the_best_unseen_video_of_a_small_creator_comes_up_to_its_slot() -> None:
    viewers = np.array([900, 900, 900, 0, 60, 49, 0])
    small = np.array([False, False, False, False, True, True, True])
    assert order(SMALL_CREATORS, videos(7, viewers=viewers, small=small), first=1) == [0, 5, 1, 2, 3, 4, 6]


def test_where_nobody_knows_who_is_small_nothing_moves() -> None:
    assert order(SMALL_CREATORS, videos(7), first=1) == list(range(7))
