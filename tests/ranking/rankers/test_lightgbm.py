"""LightGBM's trees, and why a score is what it is."""

import numpy as np
import pandas as pd
import pytest

from jobs.ranking.orders import FIRST, Order, plain_orders
from jobs.ranking.rankers.lightgbm import EVERYBODY, LightGBM, StartGone, monotone
from jobs.ranking.sources.popular import POPULAR
from jobs.ranking.training_set import ordered, split

FEATURES = ("item_item_rank", "hint")


LIGHTGBM = LightGBM()


def trained(examples: pd.DataFrame) -> tuple[bytes, pd.DataFrame]:
    """A model's file, and some rows that stopped its training."""
    parts = split(ordered(examples))
    assert parts is not None
    return LIGHTGBM.train(parts, FEATURES).content, parts.stopping.head(200)


def starting_from(order: Order, examples: pd.DataFrame) -> pd.DataFrame:
    """The examples with one rank that tells the label; or, for the fusion, two that tell half of it each."""
    best = 6 - examples["label"]
    if order.source:
        return examples.assign(**{order.source.column("rank"): best})
    odd = np.arange(len(examples)) % 2 == 0
    return examples.assign(
        item_item_rank=best.where(odd, 3), popular_rank=best.where(~odd, 3), popularity_rank=3, fresh_rank=np.nan
    )


@pytest.mark.parametrize("order", plain_orders(), ids=lambda order: order.version)
def test_what_the_features_and_the_start_add_is_the_score_whatever_it_starts_from(
    order: Order, examples: pd.DataFrame
) -> None:
    content, some = trained(starting_from(order, examples))
    trees = LIGHTGBM.load(content)
    assert trees.order == order
    added = trees.contributions(some)
    start = order.source.column("rank") if order.source else order.version
    assert list(added.columns) == list(dict.fromkeys([*FEATURES, EVERYBODY, start]))
    assert added.sum(axis=1).to_numpy() == pytest.approx(trees.score(some), abs=1e-5)


def test_the_feature_that_tells_most_adds_most(examples: pd.DataFrame) -> None:
    content, some = trained(examples)
    assert LIGHTGBM.load(content).contributions(some)["hint"].corr(some["hint"]) > 0.5


def test_a_file_of_before_the_start_was_chosen_corrects_item_item(examples: pd.DataFrame) -> None:
    content, some = trained(starting_from(FIRST, examples))
    older = content.split(b"\n", 1)[1]
    assert older.startswith(b"tree")
    assert LIGHTGBM.load(older).score(some) == pytest.approx(LIGHTGBM.load(content).score(some))


def test_an_order_that_is_no_more_is_named(examples: pd.DataFrame) -> None:
    content, _ = trained(starting_from(Order(POPULAR), examples))
    with pytest.raises(StartGone, match=r"walk_order.*reelmill models promote item_item_order"):
        LIGHTGBM.load(content.replace(b"popular_order", b"walk_order", 1))


def test_a_better_rank_in_a_source_never_lowers_a_score(examples: pd.DataFrame) -> None:
    # What a source ranks low is watched here: trees that were free would learn that.
    misled = starting_from(FIRST, examples).assign(popular_rank=10 * examples["label"] + 1)
    parts = split(ordered(misled))
    assert parts is not None
    trees = LIGHTGBM.load(LIGHTGBM.train(parts, ("item_item_rank", "popular_rank", "hint")).content)
    row = parts.stopping.head(1)
    ranks = np.arange(1, 61)
    scores = trees.score(pd.concat([row] * 60).assign(popular_rank=ranks))
    assert (np.diff(scores) <= 0).all()


def test_shares_may_only_raise_and_what_is_not_of_a_source_is_free() -> None:
    assert monotone(("item_item_score", "item_item_share", "item_item_rank", "user__liked_share_total")) == [
        0,
        1,
        -1,
        0,
    ]
