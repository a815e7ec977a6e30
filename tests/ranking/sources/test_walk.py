"""walk: chances by hand, the reason, and what a walk from anywhere adds."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from jobs.ranking.sources.walk import WALK, chances
from tests.ranking.sources.conftest import Watched, found, world_of


def test_a_chance_is_that_of_the_viewer_times_that_of_what_the_viewer_watched() -> None:
    #  ann watched a and b, ben watched a, b and c.
    watched = csr_matrix(np.array([[1, 1, 0], [1, 1, 1]], dtype=np.float32))
    made = chances(watched, np.array([1.0, 1.0, 0.5])).toarray()
    to_b = 1 / 2 * 1 / 2 + 1 / 2 * 1 / 3
    assert made[0] == pytest.approx([0, to_b, 1 / 2 * 1 / 3 * 0.5])
    assert made[2] == pytest.approx([1 / 3, 1 / 3, 0])


def test_what_goes_with_the_watched_is_proposed_because_of_it(cats_and_dogs: Watched) -> None:
    many = cats_and_dogs * 1 + [
        (f"more{n}", video, 1.0) for n in range(90) for video in ("cat1", "cat2", "dog1", "dog2")
    ]
    mine = found(WALK, world_of([*many, *[("me", f"cat{n}", 1.0) for n in (1, 3)]]), "me")
    assert next(iter(mine)) == "cat2"
    assert mine["cat2"].because == "cat3"
    assert mine["dog3"].because is None


def test_who_has_skipped_everything_gets_nothing(cats_and_dogs: Watched) -> None:
    assert found(WALK, world_of([*cats_and_dogs, ("me", "cat1", 0.1)]), "me") == {}
    assert found(WALK, world_of([("me", "cat1", 0.1)]), "me") == {}
