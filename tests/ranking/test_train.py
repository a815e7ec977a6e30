"""Training: time runs one way, the same examples give the same ranker, and a ranker learns what there is to learn."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from jobs.ranking import guards
from jobs.ranking.guard_facts import GuardFacts
from jobs.ranking.model import InService
from jobs.ranking.orders import Order
from jobs.ranking.policy import OURS, read
from jobs.ranking.rankers.lightgbm import LightGBM
from jobs.ranking.serving import Serving
from jobs.ranking.sources.popular import POPULAR
from jobs.ranking.train import Judged, Night, train
from jobs.ranking.training_set import NEGATIVES, judging, ordered, split, thinned

FEATURES = ("item_item_rank", "hint")
DAY = date(2024, 3, 20)
RANKER = LightGBM()
FACTS = GuardFacts({f"v{n}": f"maker of v{n}" for n in range(6)})


def night(examples: pd.DataFrame, watches: int = 9) -> Night:
    return Night(DAY, ordered(examples), FEATURES, watches, FACTS, read(OURS))


def judged(examples: pd.DataFrame, last: Serving | None = None, watches: int = 9) -> Judged:
    found = train(night(examples, watches), last)
    assert found is not None
    return found


def in_service(found: Judged, version: str) -> InService:
    """The model of that night under another version."""
    (one,), (row,) = found.challengers, found.models
    return InService(RANKER, version, one.trained.content, row["trained_until"], row["watches"])


def test_training_ends_before_stopping_and_that_before_what_judges(examples: pd.DataFrame) -> None:
    parts, judges = split(ordered(examples)), judging(ordered(examples), seen=None)
    assert parts is not None
    assert parts.training["at"].max() < parts.stopping["at"].min()
    assert parts.stopping["at"].max() < judges["at"].min()
    assert set(judges["at"]) == {pd.Timestamp("2024-03-19")}


def test_nothing_that_the_model_in_service_was_trained_on_judges_it(examples: pd.DataFrame) -> None:
    two_days = ordered(examples.assign(is_judging=examples["at"] >= "2024-03-18"))
    assert set(judging(two_days, datetime(2024, 3, 18, 5, tzinfo=UTC))["at"]) == {pd.Timestamp("2024-03-19")}
    assert judging(two_days, datetime(2024, 3, 19, tzinfo=UTC)).empty


def test_too_short_a_past_trains_nothing_and_the_plain_orders_are_judged_all_the_same(examples: pd.DataFrame) -> None:
    newest = examples[examples["at"] == "2024-03-19"]
    assert split(ordered(newest)) is None
    found = judged(newest)
    assert (found.challengers, found.models) == ([], [])
    assert found.decision.is_judged and {row["kind"] for row in found.verdicts} == {"source", "fusion"}


def test_the_same_examples_in_any_order_give_the_same_ranker_and_the_same_verdict(examples: pd.DataFrame) -> None:
    first, again = judged(examples), judged(examples.sample(frac=1, random_state=3))
    assert (first.challengers, first.models, first.verdicts) == (again.challengers, again.models, again.verdicts)
    other = judged(examples[examples["label"] < 4])
    assert other.challengers[0].version != first.challengers[0].version


def test_a_ranker_that_learned_beats_every_plain_order_and_serves(examples: pd.DataFrame) -> None:
    found = judged(examples)
    (row,), (one,) = found.models, found.challengers
    assert (row["verdict"], found.decision.serves) == ("promoted", one.version)
    assert row["ndcg_at_10"] > max(row["item_item_ndcg_at_10"], row["popularity_ndcg_at_10"])
    assert row["trained_until"] < row["evaluated_from"]
    serves = [verdict["system"] for verdict in found.verdicts if verdict["is_serving"]]
    assert serves == [one.version]
    assert all(verdict["difference_high"] < 0 for verdict in found.verdicts if not verdict["is_serving"])


def test_a_ranker_that_wins_and_breaks_a_guard_does_not_serve_and_both_records_say_which(
    examples: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "MOST_STEPS", 10)
    found = judged(examples)
    (row,), (one,) = found.models, found.challengers
    (verdict,) = [verdict for verdict in found.verdicts if verdict["system"] == one.version]
    assert (row["verdict"], verdict["is_serving"]) == ("rejected", False)
    assert row["ndcg_at_10"] > max(row["item_item_ndcg_at_10"], row["popularity_ndcg_at_10"])
    assert verdict["scoring_steps"] > 10
    assert (
        row["why"]
        == verdict["why"]
        == (f"breaks the guard on the cost of scoring: {verdict['scoring_steps']:,} steps, more than 10")
    )


def test_the_same_ranker_again_does_not_beat_itself(examples: pd.DataFrame) -> None:
    again = judged(examples, Serving(in_service(judged(examples), "before"), watches=8))
    assert (again.decision.serves, again.models[0]["verdict"]) == ("before", "rejected")
    assert again.models[0]["in_service_version"] == "before"
    assert "it serves on" in again.decision.why["before"]


def test_a_night_without_one_new_watch_keeps_what_serves_and_says_so(examples: pd.DataFrame) -> None:
    found = judged(examples, Serving(Order(POPULAR), watches=9))
    assert found.models[0]["ndcg_at_10"] > found.models[0]["popularity_ndcg_at_10"]
    assert (found.decision.serves, found.models[0]["verdict"]) == ("popular_order", "unjudged")
    assert found.models[0]["why"] == "no new watch since the last verdict: popular_order serves on"


def test_too_few_viewers_to_judge_by_give_no_verdict(examples: pd.DataFrame) -> None:
    few = judged(examples[examples["user_id"] < "u4"])
    assert few.models[0]["ndcg_at_10"] > few.models[0]["popularity_ndcg_at_10"]
    assert few.models[0]["evaluated_viewers"] == 34
    assert (few.models[0]["verdict"], few.decision.serves) == ("unjudged", "item_item_order")
    assert not any(verdict["is_judged"] for verdict in few.verdicts)


def test_candidates_that_nobody_watched_are_sampled_in_training_only(examples: pd.DataFrame) -> None:
    candidates = examples.assign(shown_at=examples["at"])
    parts = split(ordered(candidates))
    assert parts is not None
    spans = {"training": parts.training, "judging": judging(ordered(candidates), None)}
    unwatched = {span: int((rows["label"] == 0).sum()) for span, rows in spans.items()}
    whole = (candidates["label"] == 0) & (candidates["at"] < parts.stopping["at"].min())
    assert unwatched["training"] == pytest.approx(whole.sum() / NEGATIVES, rel=0.15)
    assert unwatched["judging"] == ((candidates["label"] == 0) & (candidates["at"] == "2024-03-19")).sum()
    # What was watched, and what was shown and ignored, teaches whole.
    assert (parts.training["label"] > 0).sum() == (
        candidates[candidates["at"] < parts.stopping["at"].min()]["label"] > 0
    ).sum()
    assert len(thinned(examples)) == len(examples)


def test_positions_are_taken_for_a_bias_where_they_are_known(examples: pd.DataFrame) -> None:
    shown = examples.assign(position=np.tile(np.arange(6), 1000))
    plain, aware = judged(examples).challengers[0], judged(shown).challengers[0]
    assert plain.trained.content != aware.trained.content


def test_the_trees_start_from_the_order_that_is_best_on_the_stopping_span_and_the_record_names_it(
    examples: pd.DataFrame,
) -> None:
    before = examples["at"] < examples["at"].max()
    by_label = examples.assign(popular_rank=np.where(before, 6 - examples["label"], examples["popular_rank"]))
    assert judged(by_label).models[0]["starts_from"] == "popular_order"
