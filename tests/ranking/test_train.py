"""Training: time runs one way, the same examples give the same ranker, and a ranker learns what there is to learn."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jobs.ranking import model
from jobs.ranking.features import prior
from jobs.ranking.train import train
from jobs.ranking.training_set import NEGATIVES, ordered, split, thinned

FEATURES = ("item_item_rank", "hint")
DAY = date(2024, 3, 20)


@pytest.fixture
def examples() -> pd.DataFrame:
    """100 viewers on 10 days with 6 videos each; `hint` tells the label, item_item tells nothing."""
    chance = np.random.default_rng(7)
    rows = 10 * 100 * 6
    label = chance.integers(0, 5, rows)
    moment = pd.date_range("2024-03-10", periods=10, freq="D").repeat(100 * 6)
    return pd.DataFrame(
        {
            "user_id": np.tile(np.repeat([f"u{n}" for n in range(100)], 6), 10),
            "video_id": np.tile([f"v{n}" for n in range(6)], 1000),
            "at": moment,
            "shown_at": moment + pd.Timedelta(hours=1),
            "position": pd.Series([None] * rows, dtype="Int32"),
            "label": label,
            "item_item_rank": chance.permutation(rows) % 100 + 1,
            "hint": label + chance.normal(0, 0.3, rows),
            "video__viewers_total": chance.integers(0, 50, rows),
        }
    )


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
    first = train(examples, FEATURES, DAY, served=None, watches=9)
    again = train(examples.sample(frac=1, random_state=3), FEATURES, DAY, served=None, watches=9)
    assert first is not None and again is not None
    assert (first.version, first.text, first.row) == (again.version, again.text, again.row)
    other = train(examples[examples["label"] < 4], FEATURES, DAY, served=None, watches=9)
    assert other is not None and other.version != first.version


def test_a_ranker_that_learned_beats_popularity_and_its_own_start(examples: pd.DataFrame) -> None:
    trained = train(examples, FEATURES, DAY, served=None, watches=9)
    assert trained is not None
    row = trained.row
    assert row["verdict"] == "promoted"
    assert row["ndcg_at_10"] > row["item_item_ndcg_at_10"]
    assert row["ndcg_at_10"] > row["popularity_ndcg_at_10"]
    assert row["trained_until"] < row["evaluated_from"]


def test_the_same_ranker_again_does_not_beat_itself(examples: pd.DataFrame) -> None:
    first = train(examples, FEATURES, DAY, served=None, watches=9)
    assert first is not None
    served = model.InService(first.version, first.text, first.row["trained_until"])
    again = train(examples, FEATURES, DAY, served, watches=10)
    assert again is not None
    assert (again.row["verdict"], again.row["in_service_version"]) == ("rejected", first.version)


def test_a_night_without_one_new_watch_keeps_the_model_and_says_so(examples: pd.DataFrame) -> None:
    first = train(examples.assign(hint=0.0), FEATURES, DAY, served=None, watches=9)
    assert first is not None
    served = model.InService(first.version, first.text, first.row["trained_until"], watches=9)
    again = train(examples, FEATURES, DAY, served, watches=9)
    assert again is not None
    assert again.row["ndcg_at_10"] > again.row["in_service_ndcg_at_10"]
    assert again.row["verdict"] == "unjudged"
    assert again.row["why"] == "no new watch since the model in service was trained: the model in service stays"


def test_too_few_viewers_to_judge_by_give_no_verdict(examples: pd.DataFrame) -> None:
    few = train(examples[examples["user_id"] < "u4"], FEATURES, DAY, served=None, watches=9)
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
    plain, aware = train(examples, FEATURES, DAY, None, 9), train(shown, FEATURES, DAY, None, 9)
    assert plain is not None and aware is not None
    assert plain.text != aware.text


def test_without_trees_worth_having_the_score_is_near_the_prior(examples: pd.DataFrame) -> None:
    frame = pd.DataFrame({"item_item_rank": pd.Series([1, 2, None], dtype="Int32")})
    assert prior(frame) == pytest.approx([0.0, -1.0, -np.log2(151)])


def test_a_model_file_appears_whole_under_its_version(tmp_path: Path) -> None:
    path = model.save(tmp_path, "20240320-abc", "tree")
    assert path == "20240320-abc/model.txt"
    assert [p.name for p in (tmp_path / "20240320-abc").iterdir()] == ["model.txt"]
    assert (tmp_path / path).read_text() == "tree"
