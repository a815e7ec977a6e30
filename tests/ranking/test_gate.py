"""The measure and the gate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.ranking.gate import Measured, verdict
from jobs.ranking.metrics import ndcg


def test_the_first_ranker_has_only_popularity_to_beat() -> None:
    decision, why = verdict(Measured(model=0.3, popularity=0.2, in_service=None, viewers=100))
    assert decision == "promoted"
    assert why == "nDCG@10 0.3000 beats popularity with 0.2000; no model was in service"


@pytest.mark.parametrize(
    ("popularity", "in_service", "named"),
    [(0.4, 0.2, "popularity"), (0.2, 0.4, "the model in service"), (0.3, None, "popularity"), (0.2, 0.3, "the model")],
)
def test_a_ranker_that_does_not_beat_both_is_rejected_and_the_reason_names_the_winner(
    popularity: float, in_service: float | None, named: str
) -> None:
    decision, why = verdict(Measured(model=0.3, popularity=popularity, in_service=in_service, viewers=100))
    assert decision == "rejected"
    assert named in why


def test_fewer_viewers_than_it_takes_to_judge_give_no_verdict_however_good_the_ranker_looks() -> None:
    decision, why = verdict(Measured(model=0.9, popularity=0.1, in_service=0.2, viewers=32))
    assert decision == "unjudged"
    assert why == "32 viewers to judge by, fewer than 100: no verdict, the model in service stays"


def test_ndcg_of_two_groups_by_hand() -> None:
    labels, scores = np.array([0, 2, 1, 0]), np.array([3.0, 2.0, 1.0, 9.0])
    first = (2 / np.log2(3) + 1 / np.log2(4)) / (2 + 1 / np.log2(3))
    assert ndcg(labels, scores, np.array([3, 1])) == pytest.approx([first, 0.0])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_the_best_order_has_ndcg_one_and_no_order_more(labels: list[int]) -> None:
    given_labels = np.array(labels)
    sizes = np.array([len(labels)])
    assert ndcg(given_labels, given_labels.astype(float), sizes) == pytest.approx([1.0 if max(labels) else 0.0])
    assert ndcg(given_labels, -given_labels.astype(float), sizes)[0] <= 1.0 + 1e-12
