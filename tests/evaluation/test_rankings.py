"""Whole lists: what is too short goes on with what is popular."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobs.evaluation.rankings import filled_up
from jobs.ranking.lists import NOTHING, Lists

VIDEOS = st.lists(st.integers(0, 8), max_size=5, unique=True)
ROWS = st.lists(st.tuples(VIDEOS, VIDEOS), min_size=1, max_size=6)


@given(ROWS)
def test_a_list_that_ends_early_goes_on_with_the_popular_videos_that_it_lacks(
    rows: list[tuple[list[int], list[int]]],
) -> None:
    own, popular = (
        np.array([videos + [NOTHING] * (5 - len(videos)) for videos in side], dtype=np.int32)
        for side in zip(*rows, strict=True)
    )
    found = filled_up(own, Lists(popular, np.zeros(popular.shape, dtype=np.float32)))
    for list_of, (videos, more) in zip(found.tolist(), rows, strict=True):
        whole = [*videos, *(video for video in more if video not in videos)][:5]
        assert list_of == whole + [NOTHING] * (5 - len(whole))
