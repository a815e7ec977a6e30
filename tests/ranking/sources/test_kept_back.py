"""kept_back: what is kept back is gone from the histories, and a quality says how high it ranks among the unwatched."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from jobs.ranking.sources.factors import FACTORS
from jobs.ranking.sources.kept_back import ENOUGH, Choices, KeptBack, keep_back
from jobs.ranking.sources.linear import LINEAR
from jobs.ranking.sources.neighbours import NEIGHBOURS
from jobs.ranking.sources.snapshot import Moment, gather, take_snapshot
from jobs.ranking.sources.source import Source
from jobs.ranking.sources.walk import WALK
from tests.ranking.sources.conftest import Watched, world_of


def of_everybody(viewers: int) -> csr_matrix:
    """Viewers who watch three of twelve videos each, and one who watches nothing."""
    chance = np.random.default_rng(4)
    watched = np.zeros((viewers + 1, 12), dtype=np.float32)
    for row in watched[:-1]:
        row[chance.permutation(12)[:3]] = 1
    return csr_matrix(watched)


def test_each_viewer_keeps_one_video_back_and_the_rest_is_history() -> None:
    kept_back = keep_back(of_everybody(ENOUGH))
    assert kept_back is not None
    assert len(kept_back.viewers) == ENOUGH
    assert set(kept_back.rest.getnnz(axis=1)) == {2}
    assert not np.asarray(kept_back.rest[kept_back.viewers, kept_back.asked]).any()


def test_too_few_viewers_keep_nothing_back() -> None:
    assert keep_back(of_everybody(ENOUGH - 1)) is None
    assert keep_back(csr_matrix(np.eye(ENOUGH + 1, dtype=np.float32))) is None


def test_a_rank_counts_unwatched_videos_only() -> None:
    one = KeptBack(csr_matrix(np.array([[1, 1, 0, 0]], dtype=np.float32)), np.array([0]), np.array([2]))
    for row, quality in (([9, 8, 2, 1], 1.0), ([9, 8, 1, 2], 1 / np.log2(3)), ([0, 0, 1, 1], 1.0)):
        scores = np.array([row], dtype=np.float32)
        assert one.quality(scores.__getitem__) == pytest.approx(quality)


def test_what_is_chosen_once_is_not_chosen_again() -> None:
    choices = Choices()
    assert choices.once("walk", lambda: 0.1) == choices.once("walk", lambda: 1.0) == 0.1
    assert choices.once("linear", lambda: 30.0) == 30.0


def of_tastes() -> Watched:
    """Viewers of eight tastes, four of the thirty videos of one each, in a draw that everybody's favourites disturb."""
    chance = np.random.default_rng(6)
    return [
        (f"u{viewer:03}", f"v{video:03}", 1.0)
        for viewer in range(ENOUGH)
        for video in {*(viewer % 8 * 30 + chance.permutation(30)[:4]), *(chance.permutation(240)[:1] // 30 * 30)}
    ]


@pytest.mark.parametrize("source", (FACTORS, LINEAR, NEIGHBOURS, WALK), ids=lambda source: str(source.name))
def test_where_tastes_are_clear_a_viewer_gets_videos_of_their_own(source: Source) -> None:
    world = world_of(of_tastes())
    at = len(world.at)
    chunk = gather(world, [Moment(viewer, at) for viewer in range(40)])
    own = [
        np.mean([int(world.videos[video][1:]) // 30 == viewer % 8 for video in found.videos[:10]])
        for viewer, found in enumerate(source.learn(take_snapshot(world, at))(chunk))
    ]
    assert np.mean(own) > 0.5, "by popularity it is an eighth"


@pytest.mark.parametrize("source", (FACTORS, LINEAR, NEIGHBOURS, WALK), ids=lambda source: str(source.name))
def test_a_snapshot_with_the_choices_of_another_proposes_as_if_it_had_made_them(source: Source) -> None:
    world, choices = world_of(of_tastes()), Choices()
    at = len(world.at)
    chunk = gather(world, [Moment(viewer, at) for viewer in range(5)])
    own, shared = (list(source.learn(take_snapshot(world, at, choices=choices))(chunk)) for _ in range(2))
    assert list(choices.made) == [source.name]
    assert [found.videos.tolist() for found in own] == [found.videos.tolist() for found in shared]
