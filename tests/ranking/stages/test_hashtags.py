"""hashtags: what happens to the further videos of one hashtag."""

import numpy as np
from scipy.sparse import csr_matrix

from jobs.ranking.stages.hashtags import HASHTAGS
from jobs.ranking.stages.stage import Videos
from tests.ranking.stages.lists import order, videos


def tagged(*hashtags: str) -> Videos:
    """Videos whose hashtags are the letters, among a hundred others without any."""
    cells = [(row, ord(tag) - ord("a")) for row, tags in enumerate(hashtags) for tag in tags]
    given = csr_matrix((np.ones(len(cells), np.int8), tuple(np.transpose(cells))), shape=(len(hashtags) + 100, 26))
    return videos(len(hashtags), hashtags=given)


def test_further_videos_of_a_hashtag_let_others_in_between() -> None:
    assert order(HASHTAGS, tagged("c", "c", "c", "d", "e", "f"), places=2) == [0, 1, 3, 4, 5, 2]


def test_of_several_hashtags_the_one_counts_that_was_there_most() -> None:
    assert order(HASHTAGS, tagged("ab", "a", "b", "ab", "", "", ""), places=1) == [0, 1, 2, 4, 3, 5, 6]


def test_what_many_videos_have_and_what_has_none_is_no_subject() -> None:
    assert order(HASHTAGS, tagged("c", "c", "d"), places=9, common=0.01) == [0, 1, 2]
    assert order(HASHTAGS, videos(3), places=9) == [0, 1, 2]
