"""neighbours: the nearest viewers count, nobody is their own neighbour, and who that is takes no account of skips."""

import pytest

from jobs.ranking.sources import neighbours
from jobs.ranking.sources.neighbours import NEIGHBOURS
from jobs.ranking.sources.snapshot import Moment, gather, take_snapshot
from tests.ranking.sources.conftest import Watched, found, world_of


@pytest.fixture
def mine() -> Watched:
    return [("me", "cat1", 1.0), ("me", "cat3", 1.0)]


def test_what_similar_viewers_watched_comes_before_what_as_many_others_did(
    cats_and_dogs: Watched, mine: Watched
) -> None:
    assert next(iter(found(NEIGHBOURS, world_of([*cats_and_dogs, *mine]), "me"))) == "cat2"


def test_only_the_nearest_count(cats_and_dogs: Watched, mine: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "NEAREST", 1)
    monkeypatch.setattr(neighbours, "EVERYBODY", 0.0)
    # Of these two, the twin watched both of mine.
    twin = [("twin", "cat1", 1.0), ("twin", "cat3", 1.0), ("twin", "rare", 1.0)]
    half = [("half", "cat1", 1.0), ("half", "other", 1.0)]
    assert list(found(NEIGHBOURS, world_of([*twin, *half, *mine]), "me")) == ["rare"]


def test_nobody_is_their_own_neighbour(mine: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "NEAREST", 1)
    monkeypatch.setattr(neighbours, "EVERYBODY", 0.0)
    assert "x" in found(NEIGHBOURS, world_of([*mine, ("other", "cat1", 1.0), ("other", "x", 1.0)]), "me")


def test_nobody_is_their_own_neighbour_in_a_world_that_others_learned_from(
    mine: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "NEAREST", 1)
    monkeypatch.setattr(neighbours, "EVERYBODY", 0.0)
    learned = world_of([("a", "y", 1.0), *mine, ("other", "cat1", 1.0), ("other", "x", 1.0)])
    find, at = NEIGHBOURS.learn(take_snapshot(learned, len(learned.at))), len(learned.at)
    # They have other numbers where they are asked, and one of them was not there to learn from.
    asked = world_of([("new", "cat1", 1.0), *mine], {video: [] for video in learned.videos})
    me, new = find(gather(asked, [Moment(0, at), Moment(1, at)]))
    assert [asked.viewers[0], asked.viewers[1]] == ["me", "new"]
    assert list(asked.videos[me.videos]) == ["x"] and "cat3" in asked.videos[new.videos]


def test_who_has_skipped_everything_gets_nothing(cats_and_dogs: Watched) -> None:
    assert found(NEIGHBOURS, world_of([*cats_and_dogs, ("me", "cat1", 0.1)]), "me") == {}
    assert found(NEIGHBOURS, world_of([("me", "cat1", 0.1)]), "me") == {}
