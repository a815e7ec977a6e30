"""factors: the setting is the one that finds what was kept back, the reason is the largest part, and it repeats."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from jobs.ranking.sources.factors import FACTORS, SETTINGS, STRONGEST, USUAL, chosen
from jobs.ranking.sources.kept_back import ENOUGH
from tests.ranking.sources.conftest import Watched, found, world_of


def test_what_goes_with_the_watched_is_proposed_because_of_it(cats_and_dogs: Watched) -> None:
    mine = found(FACTORS, world_of([*cats_and_dogs, ("me", "cat1", 1.0)]), "me")
    assert list(mine)[:2] == ["cat2", "cat3"]
    assert mine["cat2"].because == "cat1"


def test_the_part_of_the_score_that_a_watched_video_makes_is_largest_for_the_reason(cats_and_dogs: Watched) -> None:
    mine = found(FACTORS, world_of([*cats_and_dogs, ("me", "dog1", 0.4), ("me", "cat1", 1.0)]), "me")
    assert (mine["cat2"].because, mine["dog2"].because) == ("cat1", "dog1")
    assert mine["cat2"].score > mine["dog2"].score > 0


def of_topics(viewers: int, popular: float) -> csr_matrix:
    """Viewers who watch up to six videos of one of ten topics, or by chance what is `popular` with everybody."""
    chance = np.random.default_rng(2)
    topic = np.repeat(chance.integers(0, 10, viewers), 6)
    mine = topic * 20 + chance.integers(0, 20, len(topic))
    by_rank = 1 / (1 + np.arange(200.0))
    everybodys = chance.permutation(200)[chance.choice(200, len(topic), p=by_rank / by_rank.sum())]
    videos = np.where(chance.random(len(topic)) < popular, everybodys, mine)
    cells = (np.repeat(np.arange(viewers), 6), videos)
    watched = csr_matrix((np.ones(len(topic), dtype=np.float32), cells), shape=(viewers, 200))
    watched.data[:] = 1
    return watched


@pytest.mark.slow
def test_where_tastes_show_vectors_may_be_long_and_where_all_watch_the_same_they_shrink() -> None:
    clear, same = chosen(of_topics(ENOUGH * 2, 0.0)), chosen(of_topics(ENOUGH * 2, 1.0))
    assert {clear, same} <= set(SETTINGS)
    assert clear.regular * clear.unobserved < same.regular * same.unobserved


def test_a_few_viewers_choose_nothing() -> None:
    watched = of_topics(ENOUGH - 1, 0.0)
    mean = watched.nnz / watched.shape[0]
    assert chosen(watched) == USUAL._replace(regular=min(USUAL.regular, STRONGEST * mean))


@pytest.mark.slow
def test_content_counts_where_it_tells_topics_apart() -> None:
    watched = of_topics(ENOUGH * 2, 0.3)
    content = np.eye(10, dtype=np.float32)[np.arange(200) // 20]
    assert chosen(watched, content).by_content
    assert chosen(watched, content) == chosen(watched, content)


def test_the_same_watches_give_the_same_scores(cats_and_dogs: Watched) -> None:
    world = world_of([*cats_and_dogs, ("me", "cat1", 1.0)])
    assert found(FACTORS, world, "me") == found(FACTORS, world, "me")


def test_who_has_skipped_everything_gets_nothing(cats_and_dogs: Watched) -> None:
    assert found(FACTORS, world_of([*cats_and_dogs, ("me", "cat1", 0.1)]), "me") == {}
    assert found(FACTORS, world_of([("me", "cat1", 0.1)]), "me") == {}
