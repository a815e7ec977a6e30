"""content: what is like the watched by its hashtags, its creator or its media, whether anybody watched it or not."""

from dataclasses import replace

import numpy as np

from jobs.ranking.sources.content import CONTENT
from tests.ranking.sources.conftest import found, world_of


def test_a_shared_hashtag_proposes_what_nobody_watched_and_a_rare_one_comes_first() -> None:
    world = world_of(
        [("me", "seen", 1.0)],
        hashtags={"seen": ["fun", "cats"], "a": ["fun"], "b": ["cats"], "c": ["fun", "dogs"], "d": ["dogs"]},
    )
    mine = found(CONTENT, world, "me")
    assert list(mine) == ["b", "a", "c"]
    assert mine["b"].because == "seen"


def test_the_same_creator_speaks_for_a_video() -> None:
    world = world_of([("me", "seen", 1.0)], hashtags={"same": [], "other": []})
    assert list(world.videos) == ["other", "same", "seen"]
    assert list(found(CONTENT, replace(world, creator=np.array([0, 1, 1])), "me")) == ["same"]


def test_what_the_media_say_speaks_for_a_video_because_of_the_one_it_is_like() -> None:
    world = world_of(
        [("me", "cat", 1.0), ("me", "dog", 1.0)],
        content={"cat": [1, 0], "dog": [0, 1], "pup": [0.1, 1], "far": [-1, -1]},
    )
    mine = found(CONTENT, world, "me")
    assert list(mine) == ["pup"] and mine["pup"].because == "dog"


def test_of_what_is_equally_alike_the_larger_audience_comes_first() -> None:
    tags = {"seen": ["cats"], "a": ["cats"], "b": ["cats"], "c": ["dogs"]}
    assert list(found(CONTENT, world_of([("ann", "b", 1.0), ("me", "seen", 1.0)], hashtags=tags), "me")) == ["b", "a"]
