"""Training: time runs one way, the same examples give the same ranker, and a ranker learns what there is to learn."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from jobs.ranking.features import prior
from jobs.ranking.model import InService
from jobs.ranking.rankers.lightgbm import LightGBM
from jobs.ranking.train import Judged, Night, train
from jobs.ranking.training_set import NEGATIVES, ordered, split, thinned

FEATURES = ("item_item_rank", "hint")
DAY = date(2024, 3, 20)
RANKER = LightGBM()


def night(examples: pd.DataFrame, watches: int = 9) -> Night:
    return Night(DAY, ordered(examples), FEATURES, watches)


def in_service(judged: Judged, watches: int | None = None) -> InService:
    row = judged.row
    return InService(RANKER, row["model_version"], judged.content, row["trained_until"], watches)


def test_training_ends_before_stopping_and_that_before_evaluation(examples: pd.DataFrame) -> None:
    parts = split(ordered(examples), seen=None)
    assert parts is not None
    assert parts.training["at"].max() < parts.stopping["at"].min()
    assert parts.stopping["at"].max() < parts.evaluation["at"].min()
    assert set(parts.evaluation["at"]) == {pd.Timestamp("2024-03-19")}


def test_a_newest_day_with_too_few_viewers_is_widened_backwards(examples: pd.DataFrame) -> None:
    thin = examples[(examples["at"] < "2024-03-19") | (examples["user_id"] == "u1")]
    parts = split(ordered(thin), seen=None)
    assert parts is not None
    assert parts.evaluation["at"].min() == pd.Timestamp("2024-03-18")


def test_nothing_that_the_model_in_service_was_trained_on_judges_it(examples: pd.DataFrame) -> None:
    thin = examples[(examples["at"] < "2024-03-19") | (examples["user_id"] == "u1")]
    parts = split(ordered(thin), seen=datetime(2024, 3, 18, tzinfo=UTC))
    assert parts is not None
    assert parts.evaluation["at"].min() == pd.Timestamp("2024-03-19")
    assert split(ordered(examples), seen=datetime(2024, 3, 19, tzinfo=UTC)) is None


def test_too_short_a_past_trains_nothing(examples: pd.DataFrame) -> None:
    assert split(ordered(examples[examples["at"] == "2024-03-19"]), seen=None) is None


def test_the_same_examples_in_any_order_give_the_same_ranker(examples: pd.DataFrame) -> None:
    first = train(RANKER, night(examples), served=None)
    again = train(RANKER, night(examples.sample(frac=1, random_state=3)), served=None)
    assert first is not None and again is not None
    assert first == again
    other = train(RANKER, night(examples[examples["label"] < 4]), served=None)
    assert other is not None and other.row["model_version"] != first.row["model_version"]


def test_a_ranker_that_learned_beats_popularity_and_its_own_start(examples: pd.DataFrame) -> None:
    trained = train(RANKER, night(examples), served=None)
    assert trained is not None
    row = trained.row
    assert row["verdict"] == "promoted"
    assert row["ndcg_at_10"] > row["item_item_ndcg_at_10"]
    assert row["ndcg_at_10"] > row["popularity_ndcg_at_10"]
    assert row["trained_until"] < row["evaluated_from"]


def test_the_same_ranker_again_does_not_beat_itself(examples: pd.DataFrame) -> None:
    first = train(RANKER, night(examples), served=None)
    assert first is not None
    served = in_service(first)
    again = train(RANKER, night(examples, watches=10), served)
    assert again is not None
    assert (again.row["verdict"], again.row["in_service_version"]) == ("rejected", first.row["model_version"])


def test_a_night_without_one_new_watch_keeps_the_model_and_says_so(examples: pd.DataFrame) -> None:
    first = train(RANKER, night(examples.assign(hint=0.0)), served=None)
    assert first is not None
    served = in_service(first, watches=9)
    again = train(RANKER, night(examples, watches=9), served)
    assert again is not None
    assert again.row["ndcg_at_10"] > again.row["in_service_ndcg_at_10"]
    assert again.row["verdict"] == "unjudged"
    assert again.row["why"] == "no new watch since the model in service was trained: the model in service stays"


def test_too_few_viewers_to_judge_by_give_no_verdict(examples: pd.DataFrame) -> None:
    few = train(RANKER, night(examples[examples["user_id"] < "u4"]), served=None)
    assert few is not None
    assert few.row["ndcg_at_10"] > few.row["popularity_ndcg_at_10"]
    assert few.row["evaluated_viewers"] == 34
    assert few.row["verdict"] == "unjudged"


def test_candidates_that_nobody_watched_are_sampled_in_training_only(examples: pd.DataFrame) -> None:
    candidates = examples.assign(shown_at=examples["at"])
    parts = split(ordered(candidates), seen=None)
    assert parts is not None
    unwatched = {span: int((getattr(parts, span)["label"] == 0).sum()) for span in ("training", "evaluation")}
    whole = (candidates["label"] == 0) & (candidates["at"] < parts.stopping["at"].min())
    assert unwatched["training"] == pytest.approx(whole.sum() / NEGATIVES, rel=0.15)
    assert unwatched["evaluation"] == ((candidates["label"] == 0) & (candidates["at"] == "2024-03-19")).sum()
    # What was watched, and what was shown and ignored, teaches whole.
    assert (parts.training["label"] > 0).sum() == (
        candidates[candidates["at"] < parts.stopping["at"].min()]["label"] > 0
    ).sum()
    assert len(thinned(examples)) == len(examples)


def test_positions_are_taken_for_a_bias_where_they_are_known(examples: pd.DataFrame) -> None:
    shown = examples.assign(position=np.tile(np.arange(6), 1000))
    plain, aware = train(RANKER, night(examples), served=None), train(RANKER, night(shown), served=None)
    assert plain is not None and aware is not None
    assert plain.content != aware.content


def test_without_trees_worth_having_the_score_is_near_the_prior(examples: pd.DataFrame) -> None:
    frame = pd.DataFrame({"item_item_rank": pd.Series([1, 2, None], dtype="Int32")})
    assert prior(frame) == pytest.approx([0.0, -1.0, -np.log2(151)])
