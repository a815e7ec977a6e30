"""The trees over the sources: whose labels teach them."""

import ctypes

import lightgbm
import numpy as np
from numpy.typing import NDArray

from jobs.evaluation.sources import Labelled
from jobs.evaluation.stack import FOLDS, learn, mean
from jobs.ranking.lists import Union
from jobs.ranking.rankers.lightgbm import PARAMETERS, ROUNDS
from jobs.ranking.sources.popular import POPULAR


def labelled(viewers: range) -> Labelled:
    """Each has five candidates, in an order that says nothing, and watches the one whose only column is largest."""
    chance = np.random.default_rng(len(viewers))
    values = chance.random((len(viewers), 5, 1)).astype(np.float32)
    videos = np.tile(np.arange(5, dtype=np.int32), (len(viewers), 1))
    positive = values[:, :, 0] == values.max(axis=1)
    ones = np.ones(len(viewers), dtype=np.int64)
    return Labelled((POPULAR,), np.array(viewers), Union(videos, ("column",), values), positive, ones, len(viewers))


def in_place(candidates: Union) -> NDArray[np.float64]:
    return -candidates.videos.astype(np.float64)


def test_all_labels_teach_and_too_few_teach_nothing() -> None:
    few, many = labelled(range(60)), labelled(range(60, 2060))
    ids = np.array([f"u{n:04}" for n in range(2060)], dtype=object)

    def found_first(*taught: Labelled) -> float:
        scores = learn(taught, ids, in_place, lambda done, total: None).score(few.viewers, few.candidates)
        return float(few.positive[np.arange(60), scores.argmax(axis=1)].mean())

    assert found_first(few) < 0.5
    assert found_first(few, many) > 0.65


def test_the_trees_of_all_folds_have_equally_many_rounds() -> None:
    ids, told = np.array([f"u{n:04}" for n in range(300)], dtype=object), []
    folds = learn((labelled(range(300)),), ids, in_place, lambda done, total: told.append((done, total)))
    assert len(folds.trees) == FOLDS
    assert len({trees.num_trees() for trees in folds.trees}) == 1
    assert told[0] == (0, ROUNDS)
    assert told[-1] == (ROUNDS, ROUNDS)


def test_data_sets_and_trees_name_one_number_of_threads_since_the_process_has_only_one() -> None:
    """Where they differ, folds that begin beside each other kill the process once in some hundred times."""
    threads = ctypes.c_int.in_dll(lightgbm.basic._LIB, "LGBM_DEFAULT_NUM_THREADS")  # type: ignore[attr-defined]
    threads.value = 7
    ids = np.array([f"u{n:04}" for n in range(300)], dtype=object)
    learn((labelled(range(300)),), ids, in_place, lambda done, total: None)
    assert threads.value == PARAMETERS["num_threads"]


def test_the_mean_of_two_orders_is_between_them_and_ends_where_they_end() -> None:
    one, other = np.array([[4.0, 3.0, 2.0, -np.inf]]), np.array([[1.0, 3.0, 2.0, -np.inf]])
    assert np.argsort(-mean(one, other)).tolist() == [[1, 0, 2, 3]]
    assert np.isneginf(mean(one, other)).tolist() == [[False, False, False, True]]
