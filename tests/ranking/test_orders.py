"""The plain orders: each source's own, and their fusion."""

import pandas as pd
import pytest

from jobs.ranking.orders import FIRST, Order, best_order, plain_orders
from jobs.ranking.sources.popular import POPULAR
from jobs.ranking.sources.registry import SOURCES


@pytest.fixture
def rows() -> pd.DataFrame:
    """Three videos: of item_item and popular, of popular only, and of nobody."""
    silent = pd.Series([None] * 3, dtype="Int32")
    ranks = {"item_item_rank": [2, None, None], "popular_rank": [2, 1, None]}
    named = {name: pd.Series(values, dtype="Int32") for name, values in ranks.items()}
    return pd.DataFrame(named | {"fresh_rank": silent, "popularity_rank": silent})


def test_the_order_of_a_source_is_that_of_its_ranks_and_what_it_leaves_out_comes_after(rows: pd.DataFrame) -> None:
    best = Order(POPULAR).score(rows)
    assert best.argsort().tolist() == [2, 0, 1]
    assert best[1] == 0.0


def test_the_fusion_adds_up_reciprocal_ranks(rows: pd.DataFrame) -> None:
    assert Order(None).score(rows) == pytest.approx([2 / 62, 1 / 61, 0.0], abs=1e-9)


def test_every_source_of_the_night_has_an_order_and_the_first_to_serve_is_one_of_them() -> None:
    names = [order.version for order in plain_orders()]
    assert names == [*[f"{source.name}_order" for source in SOURCES], "fusion_order"]
    assert FIRST.version == "item_item_order"


def test_what_the_features_add_is_the_score(rows: pd.DataFrame) -> None:
    for order in plain_orders():
        assert order.contributions(rows).sum(axis=1).to_numpy() == pytest.approx(order.score(rows), abs=1e-6)


def test_scores_to_start_from_stand_in_the_order_and_are_as_far_apart_as_ranks(rows: pd.DataFrame) -> None:
    for order in plain_orders():
        assert order.start(rows).argsort().tolist() == order.score(rows).argsort().tolist()
    assert Order(POPULAR).start(rows)[:2].tolist() == [-1.0, 0.0]
    everywhere = pd.DataFrame({source.column("rank"): [1.0, 4.0] for source in SOURCES})
    assert Order(None).start(everywhere) == pytest.approx([0.0, -2.0], abs=1e-5)


def test_the_best_order_is_that_whose_lists_have_what_was_watched_on_top_and_of_equal_ones_the_first(
    rows: pd.DataFrame,
) -> None:
    one_moment = rows.assign(user_id="me", at=pd.Timestamp("2024-03-01"), video_id=["a", "b", "c"])
    assert best_order(one_moment.assign(label=[0, 1, 0])).version == "popular_order"
    assert best_order(one_moment.assign(label=[1, 1, 1])).version == "item_item_order"
