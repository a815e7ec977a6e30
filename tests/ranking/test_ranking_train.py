"""Training: time runs one way, the same examples give the same ranker, and a ranker learns what there is to learn."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jobs.ranking import model
from jobs.ranking.features import prior
from jobs.ranking.train import split, train

FEATURES = ("item_item_rank", "hint")
DAY = date(2024, 3, 20)


@pytest.fixture
def examples() -> pd.DataFrame:
    """40 viewers on 10 days with 12 videos each; `hint` tells the label, item_item tells nothing."""
    chance = np.random.default_rng(7)
    rows = 10 * 40 * 12
    label = chance.integers(0, 5, rows)
    moment = pd.date_range("2024-03-10", periods=10, freq="D").repeat(40 * 12)
    return pd.DataFrame(
        {
            "user_id": np.tile(np.repeat([f"u{n}" for n in range(40)], 12), 10),
            "video_id": np.tile([f"v{n}" for n in range(12)], 400),
            "at": moment,
            "shown_at": moment,
            "position": pd.Series([None] * rows, dtype="Int32"),
            "label": label,
            "item_item_rank": chance.permutation(rows) % 100 + 1,
            "hint": label + chance.normal(0, 0.3, rows),
            "video__viewers_total": chance.integers(0, 50, rows),
        }
    )


def test_training_ends_before_stopping_and_that_before_evaluation(examples: pd.DataFrame) -> None:
    parts = split(examples, seen=None)
    assert parts is not None
    assert parts.training["at"].max() < parts.stopping["at"].min()
    assert parts.stopping["at"].max() < parts.evaluation["at"].min()
    assert set(parts.evaluation["at"]) == {pd.Timestamp("2024-03-19")}


def test_a_newest_day_with_too_few_viewers_is_widened_backwards(examples: pd.DataFrame) -> None:
    thin = examples[(examples["at"] < "2024-03-19") | (examples["user_id"] == "u1")]
    parts = split(thin, seen=None)
    assert parts is not None
    assert parts.evaluation["at"].min() == pd.Timestamp("2024-03-18")


def test_nothing_that_the_model_in_service_was_trained_on_judges_it(examples: pd.DataFrame) -> None:
    thin = examples[(examples["at"] < "2024-03-19") | (examples["user_id"] == "u1")]
    parts = split(thin, seen=datetime(2024, 3, 18, tzinfo=UTC))
    assert parts is not None
    assert parts.evaluation["at"].min() == pd.Timestamp("2024-03-19")
    assert split(examples, seen=datetime(2024, 3, 19, tzinfo=UTC)) is None


def test_too_short_a_past_trains_nothing(examples: pd.DataFrame) -> None:
    assert split(examples[examples["at"] == "2024-03-19"], seen=None) is None


def test_the_same_examples_in_any_order_give_the_same_ranker(examples: pd.DataFrame) -> None:
    first = train(examples, FEATURES, DAY, served=None)
    again = train(examples.sample(frac=1, random_state=3), FEATURES, DAY, served=None)
    assert first is not None and again is not None
    assert (first.version, first.text, first.row) == (again.version, again.text, again.row)
    other = train(examples[examples["label"] < 4], FEATURES, DAY, served=None)
    assert other is not None and other.version != first.version


def test_a_ranker_that_learned_beats_popularity_and_its_own_start(examples: pd.DataFrame) -> None:
    trained = train(examples, FEATURES, DAY, served=None)
    assert trained is not None
    row = trained.row
    assert row["verdict"] == "promoted"
    assert row["ndcg_at_10"] > row["item_item_ndcg_at_10"]
    assert row["ndcg_at_10"] > row["popularity_ndcg_at_10"]
    assert row["trained_until"] < row["evaluated_from"]


def test_the_same_ranker_again_does_not_beat_itself(examples: pd.DataFrame) -> None:
    first = train(examples, FEATURES, DAY, served=None)
    assert first is not None
    served = model.InService(first.version, first.text, first.row["trained_until"])
    again = train(examples, FEATURES, DAY, served)
    assert again is not None
    assert (again.row["verdict"], again.row["in_service_version"]) == ("rejected", first.version)


def test_positions_are_taken_for_a_bias_where_they_are_known(examples: pd.DataFrame) -> None:
    shown = examples.assign(position=np.tile(np.arange(12), 400))
    plain, aware = train(examples, FEATURES, DAY, None), train(shown, FEATURES, DAY, None)
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
