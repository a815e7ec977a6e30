"""Guards: what all lists of a system show, whom they leave out, and what it takes to score them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jobs.ranking.guard_facts import GuardFacts, guard_facts, small_creators, topics_of
from jobs.ranking.guards import Guarded, measured
from jobs.ranking.orders import Order
from jobs.ranking.rankers.lightgbm import PARAMETERS, Grouped, Trees, grow
from jobs.ranking.sources.item_item import ITEM_ITEM
from tests.ranking.conftest import Make, at

CATALOGUE = pa.table({"video_id": ["a", "b", "plain"], "hashtags": [["cats"], ["dogs", "cats"], []]})


def guarded(watched: list[tuple[str, str]], shown: list[tuple[str, str]], small: str = "") -> Guarded:
    """What one list for each viewer comes to, of (viewer, video) that were watched before and are shown now."""
    rows = pd.DataFrame(shown, columns=["user_id", "video_id"]).assign(video__viewers_total=9.0)
    viewers, videos = zip(*watched, strict=True) if watched else ((), ())
    past = pa.table({"user_id": pa.array(viewers, pa.string()), "video_id": pa.array(videos, pa.string())})
    creators = {video: f"maker of {video}" for video in ("a", "b", "plain")}
    facts = GuardFacts(creators, frozenset([f"maker of {small}"]), topics_of(CATALOGUE, past))
    lists = rows.groupby("user_id").ngroup().to_numpy()
    return measured(rows, lists, np.array([100, 300]), 7, facts)


def test_the_share_of_small_creators_is_of_slots() -> None:
    assert guarded([], [("ann", "a"), ("ann", "b"), ("ben", "a"), ("ben", "plain")], small="a").small_share == 0.5


def test_creators_are_small_who_share_the_last_fifth_of_the_watches() -> None:
    creators = {f"v{n}": f"c{n}" for n in range(5)}
    watches = {"c0": 70, "c1": 10, "c2": 15, "c3": 5}
    assert small_creators(creators, watches) == {"c1", "c3", "c4"}
    assert small_creators(creators, {}) == frozenset()
    assert small_creators({"v": "only"}, {"only": 9}) == frozenset()


def test_a_list_is_calibrated_as_far_as_its_hashtags_are_those_that_its_viewer_watched() -> None:
    likes_cats = [("ann", "a"), ("ann", "a2 that is gone")]
    assert guarded(likes_cats, [("ann", "a"), ("ann", "plain")]).calibration == 1
    assert guarded(likes_cats, [("ann", "b")]).calibration == 0.5
    assert guarded([("ann", "b")], [("ann", "a"), ("ann", "b")]).calibration == pytest.approx(0.75)
    assert guarded(likes_cats, [("ann", "plain")]).calibration == 0


def test_who_watched_nothing_with_a_hashtag_says_nothing_of_calibration() -> None:
    assert guarded([("ann", "a"), ("ben", "plain")], [("ann", "a"), ("ben", "b"), ("new", "b")]).calibration == 1
    assert guarded([("ann", "plain")], [("ann", "a")]).calibration is None
    assert topics_of(CATALOGUE.slice(2), pa.table({"user_id": ["ann"], "video_id": ["plain"]})) is None


def test_the_cost_of_scoring_is_the_ways_through_the_trees_of_the_longest_list() -> None:
    assert guarded([], [("ann", "a")]).scoring_steps == 2100
    chance = np.random.default_rng(1)
    matrix = chance.random((400, 2)).astype(np.float32)
    rows = Grouped(matrix, (matrix[:, 1] * 5).astype(int), np.array([200, 200]), None)
    stumps = grow(rows, rows, ("item_item_rank", "hint"), {**PARAMETERS, "num_leaves": 2})
    assert Trees(stumps, Order(ITEM_ITEM)).steps == stumps.num_trees() + Order(ITEM_ITEM).steps


def test_what_guards_look_at_is_of_published_videos_and_of_what_was_watched_and_not_skipped(
    watches_of: Make, videos_of: Make
) -> None:
    videos = videos_of(("a", {"hashtags": ["cats"]}), ("b", {"hashtags": ["dogs"]}), ("draft", {"status": "rejected"}))
    skipped = {"share_watched": 0.1}
    watches = watches_of(
        *[(f"u{n}", "a", at(1)) for n in range(4)],
        ("ann", "b", at(1)),
        ("ann", "a", at(2), skipped),
        ("ann", "draft", at(3)),
    )
    found = guard_facts(watches, videos, ["ann"], videos.selectExpr("video_id", "user_id AS creator"))
    assert found.creators == {"a": "maker of a", "b": "maker of b"}
    assert found.small == {"maker of b"}
    assert found.videos.creators.tolist() == [0, 1]
    assert found.topics is not None
    assert (found.topics.viewers.tolist(), found.topics.of_viewers.toarray().tolist()) == (["ann"], [[0.0, 1.0]])
