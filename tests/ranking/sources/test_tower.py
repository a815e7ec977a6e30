"""The towers: what a network proposes that was learned elsewhere, and, with TensorFlow installed, that it learns."""

from importlib.util import find_spec

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from jobs.ranking.sources.snapshot import Moment, gather
from jobs.ranking.sources.source import Embeds
from jobs.ranking.sources.tower import Near, Towers
from jobs.ranking.sources.tower_training import DROPPED, NotInstalled, steps_of, trained
from tests.ranking.sources.conftest import Watched, world_of

is_installed = find_spec("tensorflow") is not None
learns = pytest.mark.skipif(not is_installed, reason="the extra `deep` is not installed: make deep runs this")


def known() -> tuple[Near, Watched]:
    """Of the videos a, b and c, who read a gets b rather than c, and the network adds nothing."""
    nothing = [np.zeros(shape, dtype=np.float32) for shape in ((2, 3), 3, (3, 2), 2)]
    read = np.array([[1, 0], [0, 1], [0, 0]], dtype=np.float32)
    shown = np.array([[1, 1], [2, 0], [1, 3]], dtype=np.float32)
    towers = Towers(read, shown, np.array([0, 0, 0.5], dtype=np.float32), *nothing)
    return Near(np.arange(3), towers), [("me", "a", 1.0), ("other", "b", 0.3), ("skipper", "c", 0.0)]


def test_the_highest_products_are_proposed_but_for_what_was_watched() -> None:
    near, watched = known()
    chunk = gather(world_of(watched), [Moment(viewer, len(watched)) for viewer in range(3)])
    mine, others, skippers = near(chunk)
    # The scores of a, b and c are 1, 2 and 1.5 for me, and 1, 0 and 3.5 for the other.
    assert mine.videos.tolist() == [1, 2] and mine.scores.tolist() == [1.0, 0.5]
    assert others.videos.tolist() == [2, 0] and others.scores.tolist() == [3.5, 1.0]
    assert not len(skippers.videos)


def test_its_vectors_have_the_scores_as_products() -> None:
    near, watched = known()
    assert isinstance(near, Embeds)
    chunk = gather(world_of(watched), [Moment(viewer, len(watched)) for viewer in range(3)])
    numbers, videos = near.of_videos()
    assert numbers.tolist() == [0, 1, 2]
    np.testing.assert_allclose(near.of_viewers(chunk) @ videos.T, np.array([[1, 2, 1.5], [1, 0, 3.5], [0, 0, 0]]))


def test_a_step_drops_a_part_of_the_others_and_never_shows_what_it_asks_for() -> None:
    watched = csr_matrix(np.ones((200, 40), dtype=np.float32))
    asked = []
    for step in steps_of(watched, np.random.default_rng(1)):
        assert not (step.targets[step.rows] == step.videos).any()
        assert abs(len(step.rows) / (len(step.targets) * 39) - (1 - DROPPED)) < 0.02
        asked.append(step.targets)
    assert np.bincount(np.concatenate(asked)).tolist() == [200] * 40


def test_who_has_watched_one_video_asks_for_nothing() -> None:
    assert list(steps_of(csr_matrix(np.eye(3, dtype=np.float32)), np.random.default_rng(1))) == []


@pytest.mark.skipif(is_installed, reason="it can learn")
def test_without_the_extra_it_says_how_to_get_it() -> None:
    with pytest.raises(NotInstalled, match="make deep"):
        trained(csr_matrix(np.ones((3, 3), dtype=np.float32)), None, 1)


@learns
def test_it_learns_what_goes_with_what_and_the_same_twice() -> None:
    # Twenty viewers each of two tastes; one video of each of them is unknown.
    taste = np.kron(np.eye(2), np.ones((20, 4))).astype(np.float32)
    taste[np.arange(40), np.arange(40) % 4 + np.repeat([0, 4], 20)] = 0
    watched = csr_matrix(taste)
    towers, again = (trained(watched, None, 60) for _ in range(2))
    scores = towers.scores(watched)
    assert (scores[:20, :4].min(axis=1) > scores[:20, 4:].max(axis=1)).all()
    assert (scores[20:, 4:].min(axis=1) > scores[20:, :4].max(axis=1)).all()
    np.testing.assert_array_equal(again.scores(watched), scores)
