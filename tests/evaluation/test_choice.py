"""Blends, and the choice."""

from dataclasses import replace

import numpy as np

from jobs.evaluation.choice import Strangers, best_of, by_halves, fitted, fusion, measure, names_of, ndcg
from jobs.evaluation.sources import Labelled
from jobs.ranking.lists import Lists, union
from jobs.ranking.sources.content import CONTENT
from jobs.ranking.sources.item_item import ITEM_ITEM
from jobs.ranking.sources.popular import POPULAR

SOURCES = (ITEM_ITEM, POPULAR)
NONE = Strangers(POPULAR.name, 0.0)


def labelled(label_of_each: list[int]) -> Labelled:
    """Two viewers; item_item proposes 0, 1 and popular 1, 2 to both; the labels are given, one a viewer."""
    scores = np.array([[2.0, 1.0]] * 2, dtype=np.float32)
    lists = [Lists(np.array([videos] * 2, dtype=np.int32), scores) for videos in ([0, 1], [1, 2])]
    candidates = union(SOURCES, lists, np.arange(2), videos=3, depth=3)
    positive = candidates.videos == np.array(label_of_each)[:, None]
    return Labelled(SOURCES, np.arange(2), candidates, positive, np.ones(2, dtype=np.int64), judged=4)


def test_the_weights_find_the_source_that_is_right() -> None:
    first = labelled([0, 0])
    assert measure(first, fusion(SOURCES).score(first.candidates), NONE) < 0.5
    # Two of four viewers have their label on top, and nobody proposed anything to the others.
    assert measure(first, fitted(first).score(first.candidates), NONE) == 0.5
    assert measure(first, fitted(first).score(first.candidates), NONE._replace(worth=0.25)) == 0.75
    weights = fitted(first).weights
    assert weights[0] + weights[2] == 1


def test_a_source_that_proposes_nothing_to_anybody_has_no_weight_though_its_ties_are_in_the_best_order() -> None:
    sources = (CONTENT, ITEM_ITEM, POPULAR)
    scores = np.array([[2.0, 1.0]] * 2, dtype=np.float32)
    lists = [Lists(np.array([videos] * 2, dtype=np.int32), scores) for videos in ([-1, -1], [0, 1], [1, 2])]
    candidates = union(sources, lists, np.arange(2), videos=3, depth=3)
    both = Labelled(sources, np.arange(2), candidates, candidates.videos == 1, np.ones(2, dtype=np.int64), judged=2)
    assert measure(both, fusion(sources).score(candidates), NONE) == 1
    named = dict(zip(names_of(sources), fitted(both).weights, strict=True))
    assert named["content rank"] == named["content share"] == 0
    assert sum(named.values()) == 1


def test_weights_are_judged_by_viewers_who_did_not_choose_them() -> None:
    of_two_minds = labelled([0, 2])
    own = measure(of_two_minds, fitted(of_two_minds).score(of_two_minds.candidates), NONE)
    assert measure(of_two_minds, by_halves(of_two_minds), NONE) < own
    first = labelled([0, 0])
    assert measure(first, by_halves(first), NONE) == 0.5


def test_without_labels_all_sources_weigh_the_same() -> None:
    nobody = labelled([0, 0])
    empty = replace(nobody, viewers=nobody.viewers[:0])
    assert fitted(empty) == fusion(SOURCES)


def test_ndcg_counts_places_and_equal_scores_keep_theirs() -> None:
    scores = np.array([[3.0, 5.0, 3.0, -np.inf], [1.0, 1.0, 1.0, 1.0]])
    positive = np.array([[True, False, True, False], [False, False, True, False]])
    second, third = 1 / np.log2(3), 1 / np.log2(4)
    best_two = 1 + second
    found = ndcg(scores, positive, np.array([2, 1]))
    np.testing.assert_allclose(found, [(second + third) / best_two, third])


def test_of_equal_ones_the_first_is_best() -> None:
    assert best_of({"a": 0.1, "b": 0.2, "c": 0.2}) == "b"
