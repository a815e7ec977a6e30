"""LightGBM's trees, and why a score is what it is."""

import pandas as pd
import pytest

from jobs.ranking.rankers.lightgbm import EVERYBODY, LightGBM
from jobs.ranking.training_set import ordered, split

FEATURES = ("item_item_rank", "hint")


def test_what_the_features_add_is_the_score_and_the_one_that_tells_most_adds_most(examples: pd.DataFrame) -> None:
    parts = split(ordered(examples))
    assert parts is not None
    trees = LightGBM().load(LightGBM().train(parts, FEATURES).content)
    some = parts.stopping.head(200)
    added = trees.contributions(some)
    assert list(added.columns) == [*FEATURES, EVERYBODY]
    assert added.sum(axis=1).to_numpy() == pytest.approx(trees.score(some), abs=1e-5)
    assert added["hint"].corr(some["hint"]) > 0.5
