"""The gate: what serves is beaten or stays, and a model comes in by beating the best plain order."""

from typing import Any

import numpy as np
import pytest

from jobs.ranking.gate import ENOUGH_VIEWERS, Decision, Defaults, decide
from jobs.ranking.guards import MOST_STEPS, Guarded
from jobs.ranking.judge import Compared

VIEWERS = 200
# Differences of a viewer from the others, alike for all systems.
EASE = np.random.default_rng(1).uniform(0.1, 0.3, VIEWERS)
USUAL = Guarded(coverage=0.5, new_share=0.1, small_share=0.2, calibration=0.3, scoring_steps=9)
ORDERS = ("item_item_order", "popularity_order", "fusion_order")


def compared(guarded: dict[str, Guarded] | None = None, viewers: int = VIEWERS, **means: float) -> Compared:
    """Systems that are better than 0.2 by so much for every second viewer twice, and not at all for the others."""
    named = dict.fromkeys(ORDERS, 0.0) | means
    figures = np.stack([EASE + gain * 2 * (np.arange(VIEWERS) % 2) for gain in named.values()], axis=1)
    everywhere = dict.fromkeys(named, USUAL) | (guarded or {})
    return Compared(tuple(named), figures[:viewers], everywhere, moments=viewers)


def decided(of: Compared, serving: str | None = None, new_watches: int | None = 1) -> Decision:
    models = [name for name in of.systems if name not in (*ORDERS, serving)]
    return decide(of, ORDERS, models, serving, new_watches, Defaults("item_item_order", "popularity_order"))


def noisy(**means: float) -> Compared:
    """Systems whose gains say nothing: for one viewer much better, for the next as much worse."""
    found = compared(None, VIEWERS, **means)
    swings = np.where(np.arange(VIEWERS) % 2, 0.1, -0.1)[:, None] * np.array([name in means for name in found.systems])
    return Compared(found.systems, found.figures + swings, found.guarded, VIEWERS)


def test_where_nothing_was_judged_before_an_order_that_clearly_beats_popularity_serves() -> None:
    assert decided(compared(item_item_order=0.02, fusion_order=0.03)).serves == "fusion_order"


def test_popularity_serves_where_no_order_clearly_beats_it() -> None:
    assert decided(noisy(item_item_order=0.005)).serves == "popularity_order"
    found = decided(compared(popularity_order=0.05))
    assert (found.serves, found.is_judged) == ("popularity_order", True)
    assert "no model beats it" in found.why["popularity_order"]
    assert found.why["item_item_order"].startswith("against popularity_order: -0.0500 [-0.0")


def test_a_model_that_beats_the_best_plain_order_clear_of_zero_serves() -> None:
    found = decided(compared(popularity_order=0.02, tonight=0.05))
    assert found.serves == "tonight"
    assert "beats popularity_order: +0.0300 [+0.0" in found.why["tonight"]


def test_a_model_that_is_better_by_chance_does_not_serve_and_the_record_says_so() -> None:
    found = decided(noisy(tonight=0.005))
    assert found.serves == "popularity_order"
    assert found.why["tonight"].startswith("does not clearly beat popularity_order: +0.0050 [-")


@pytest.mark.parametrize("serving", [*ORDERS, "champion"])
def test_equal_systems_never_change_what_serves(serving: str) -> None:
    found = decided(compared(champion=0.0, tonight=0.0), serving)
    assert (found.serves, found.is_judged) == (serving, True)
    assert "it serves on" in found.why[serving]


def test_a_plain_order_that_is_beaten_by_another_gives_way() -> None:
    assert decided(compared(fusion_order=0.03), serving="item_item_order").serves == "fusion_order"


@pytest.mark.parametrize("serving", ["item_item_order", "champion"])
def test_whatever_falls_below_popularity_gives_way_to_it(serving: str) -> None:
    found = decided(noisy(item_item_order=-0.001, champion=-0.001), serving=serving)
    assert found.serves == "popularity_order"
    assert f"{serving} has fallen below it" in found.why["popularity_order"]


def test_a_model_in_service_stays_until_a_plain_order_is_above_it() -> None:
    assert decided(compared(champion=0.001), serving="champion").serves == "champion"
    fallen = decided(compared(champion=0.02, fusion_order=0.021), serving="champion")
    assert fallen.serves == "fusion_order"


def test_a_new_model_must_beat_the_one_in_service_too() -> None:
    assert decided(compared(champion=0.05, tonight=0.05), serving="champion").serves == "champion"
    assert decided(compared(champion=0.05, tonight=0.06), serving="champion").serves == "tonight"


@pytest.mark.parametrize(
    ("guard", "limit", "beyond", "named"),
    [
        ("coverage", 0.25, 0.2499, "different videos: 0.2499, and popularity_order has 0.5000"),
        ("new_share", 0.05, 0.0499, "slots of new videos: 0.0499"),
        ("small_share", 0.1, 0.0999, "slots of small creators: 0.0999"),
        ("calibration", 0.15, 0.1499, "(calibration): 0.1499"),
        ("scoring_steps", MOST_STEPS, MOST_STEPS + 1, "the cost of scoring: 2,000,001 steps"),
    ],
)
def test_a_better_model_that_breaks_a_guard_does_not_serve_and_the_record_names_the_guard(
    guard: str, limit: Any, beyond: Any, named: str
) -> None:
    broken = decided(compared({"tonight": USUAL._replace(**{guard: beyond})}, tonight=0.1))
    assert broken.serves == "popularity_order"
    assert broken.why["tonight"].startswith("breaks the guard on ") and named in broken.why["tonight"]
    assert decided(compared({"tonight": USUAL._replace(**{guard: limit})}, tonight=0.1)).serves == "tonight"


def test_a_new_model_is_held_to_the_shares_of_what_serves_and_not_of_the_best_order() -> None:
    varied = {"champion": USUAL._replace(small_share=0.5)}
    found = decided(compared(varied, champion=0.05, tonight=0.1), serving="champion")
    assert (found.serves, found.why["tonight"]) == (
        "champion",
        "breaks the guard on slots of small creators: 0.2000, and champion has 0.5000",
    )


def test_a_guard_that_cannot_be_measured_holds_nobody_back() -> None:
    unknown = dict.fromkeys(("popularity_order", "tonight"), USUAL._replace(calibration=None))
    assert decided(compared(unknown, tonight=0.1)).serves == "tonight"


def test_a_plain_order_may_be_narrow_since_no_feed_is_to_be_below_popularity() -> None:
    found = decided(
        compared({"popularity_order": USUAL._replace(coverage=0.01, new_share=0.0)}, popularity_order=0.1),
        serving="item_item_order",
    )
    assert found.serves == "popularity_order"


def test_too_few_viewers_give_no_verdict_however_good_a_model_looks() -> None:
    few = compared(viewers=ENOUGH_VIEWERS - 1, tonight=0.5)
    assert (decided(few, "champion").serves, decided(few).serves) == ("champion", "item_item_order")
    assert not decided(few).is_judged
    assert decided(few).why["tonight"] == (
        "99 viewers to judge by, fewer than 100: no verdict, item_item_order serves on"
    )


def test_a_night_without_a_new_watch_keeps_what_serves() -> None:
    found = decided(compared(tonight=0.5), serving="popularity_order", new_watches=0)
    assert (found.serves, found.is_judged) == ("popularity_order", False)
    assert "no new watch" in found.why["tonight"]
