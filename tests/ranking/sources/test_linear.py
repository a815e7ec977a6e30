"""linear: the closed form by both sides, its reason, and what content does for videos that nobody watched."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from jobs.ranking.sources import linear
from jobs.ranking.sources.linear import LINEAR, weights
from tests.ranking.sources.conftest import Watched, found, world_of


def by_definition(rows: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    inverse = np.linalg.inv(rows.T @ rows + penalty * np.eye(rows.shape[1]))
    b = -inverse / np.diag(inverse)
    np.fill_diagonal(b, 0)
    return b


@pytest.mark.parametrize("viewers", [4, 40], ids=["fewer viewers than videos", "more viewers than videos"])
def test_the_weights_are_the_closed_form_whichever_side_is_smaller(viewers: int) -> None:
    chance = np.random.default_rng(3)
    watched = np.hstack([chance.random((viewers, 9)) < 0.4, np.full((viewers, 1), linear.EVERYBODY)]).astype(np.float32)
    content = np.hstack([chance.normal(size=(2, 9)), np.zeros((2, 1))]).astype(np.float32)
    similar, everybody = weights(csr_matrix(watched), content, 2.0)
    expected = by_definition(np.vstack([watched, content]).astype(np.float64), 2.0)
    assert np.allclose(similar.toarray(), expected[:-1, :-1], atol=1e-4)
    assert np.allclose(everybody, expected[-1, :-1] * linear.EVERYBODY, atol=1e-4)


def test_a_video_keeps_the_weights_that_are_farthest_from_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "LONGEST", 2)
    watched = csr_matrix(np.random.default_rng(3).random((40, 9)).astype(np.float32))
    similar, _ = weights(watched, np.zeros((0, 9), np.float32), 2.0)
    assert set(similar.getnnz(axis=1)) == {2}


def test_what_goes_with_the_watched_is_proposed_because_of_it(cats_and_dogs: Watched) -> None:
    mine = found(LINEAR, world_of([*cats_and_dogs, ("me", "cat1", 1.0)]), "me")
    assert list(mine)[:2] == ["cat2", "cat3"]
    assert mine["cat2"].because == "cat1"
    assert all(one.score > 0 for one in mine.values())


def test_of_too_many_videos_those_with_the_largest_audience_are_kept(
    cats_and_dogs: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "LIMIT", 5)
    assert set(found(LINEAR, world_of([*cats_and_dogs, ("me", "cat1", 1.0)]), "me")) <= {"cat2", "dog1", "dog2", "dog3"}


def test_a_skip_speaks_for_nothing(cats_and_dogs: Watched) -> None:
    assert found(LINEAR, world_of([*cats_and_dogs, ("me", "cat1", 0.1)]), "me") == {}
    assert found(LINEAR, world_of([("me", "cat1", 0.1)]), "me") == {}


def test_a_video_that_nobody_watched_is_found_by_its_hashtag_or_its_content(cats_and_dogs: Watched) -> None:
    watched: Watched = [*cats_and_dogs, ("me", "cat1", 1.0)]
    tagged = world_of(watched, hashtags={"cat1": ["cats"], "dog1": ["dogs"], "new": ["cats"]})
    assert "new" in found(LINEAR, tagged, "me")
    videos = ("cat1", "cat2", "cat3", "dog1", "dog2", "dog3", "new")
    alike = {video: [1.0, 0.0] if video in ("cat1", "new") else [0.0, 1.0] for video in videos}
    mine = found(LINEAR, world_of(watched, content=alike), "me")
    assert mine["new"].because == "cat1"
