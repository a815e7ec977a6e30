"""sounds: what happens to the further videos that use one sound."""

import numpy as np

from jobs.ranking.stages.sounds import SOUNDS
from tests.ranking.stages.lists import order, videos


def test_further_videos_of_a_sound_let_others_in_between_and_sounds_of_ones_own_are_all_different() -> None:
    assert order(SOUNDS, videos(5, sounds=np.array([0, 0, -1, -1, 1])), places=2) == [0, 2, 1, 3, 4]
    assert order(SOUNDS, videos(2), places=2) == [0, 1]
