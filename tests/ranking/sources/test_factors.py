"""factors: vectors solve their normal equations, the reason is the largest part, and a seed gives the same again."""

import numpy as np
from scipy.sparse import csr_matrix

from jobs.ranking.sources.factors import DIM, FACTORS, factorised
from tests.ranking.sources.conftest import Watched, found, world_of


def test_what_goes_with_the_watched_is_proposed_because_of_it(cats_and_dogs: Watched) -> None:
    mine = found(FACTORS, world_of([*cats_and_dogs, ("me", "cat1", 1.0)]), "me")
    assert list(mine)[:2] == ["cat2", "cat3"]
    assert mine["cat2"].because == "cat1"


def test_the_part_of_the_score_that_a_watched_video_makes_is_largest_for_the_reason(cats_and_dogs: Watched) -> None:
    mine = found(FACTORS, world_of([*cats_and_dogs, ("me", "dog1", 0.4), ("me", "cat1", 1.0)]), "me")
    assert (mine["cat2"].because, mine["dog2"].because) == ("cat1", "dog1")
    assert mine["cat2"].score > mine["dog2"].score > 0


def test_the_vectors_of_a_side_solve_their_normal_equations() -> None:
    chance = np.random.default_rng(5)
    side = factorised(csr_matrix((chance.random((30, 20)) < 0.3).astype(np.float32)))
    matrix, weighed = side.normal(np.array([3, 5], dtype=np.int32), np.array([1.0, 0.5], dtype=np.float32))
    vectors, weights = side.vectors.astype(float), np.zeros(20)
    weights[[3, 5]] = 1.0, 0.5
    unobserved = side.base / 20
    expected = vectors.T @ np.diag(weights + unobserved) @ vectors + side.penalty * (2 + side.base) * np.eye(DIM)
    assert np.allclose(matrix, expected, atol=1e-5)
    assert np.allclose(weighed.sum(axis=1), vectors.T @ weights, atol=1e-6)


def test_the_same_watches_give_the_same_scores(cats_and_dogs: Watched) -> None:
    world = world_of([*cats_and_dogs, ("me", "cat1", 1.0)])
    assert found(FACTORS, world, "me") == found(FACTORS, world, "me")


def test_who_has_skipped_everything_gets_nothing(cats_and_dogs: Watched) -> None:
    assert found(FACTORS, world_of([*cats_and_dogs, ("me", "cat1", 0.1)]), "me") == {}
    assert found(FACTORS, world_of([("me", "cat1", 0.1)]), "me") == {}
