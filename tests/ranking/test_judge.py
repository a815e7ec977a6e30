"""Whole lists: what a system would have served, by what the viewer watched from then on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from jobs.ranking.gate import Defaults, decide
from jobs.ranking.guard_facts import GuardFacts
from jobs.ranking.judge import Compared, judge
from jobs.ranking.orders import Order, plain_orders
from jobs.ranking.policy import OURS, read
from jobs.ranking.rankers.ranker import Scorer
from jobs.ranking.sources.item_item import ITEM_ITEM
from jobs.ranking.sources.popularity import POPULARITY
from jobs.ranking.training_set import ordered

RANKS = ("item_item_rank", "popular_rank", "fresh_rank", "popularity_rank")
SIMILAR, POPULAR = Order(ITEM_ITEM), Order(POPULARITY)


@dataclass
class By:
    """A ranker that gives each video its score, and all others 0."""

    scores: dict[str, float] = field(default_factory=dict)
    steps: int = 1

    def score(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        return np.array([self.scores.get(video, 0.0) for video in frame["video_id"]])


def moment(viewer: str, *videos: tuple[str, dict[str, int], int]) -> pd.DataFrame:
    """One moment of a viewer: each video with its ranks in the sources and the label of what followed."""
    rows = [
        {"user_id": viewer, "video_id": video, "at": pd.Timestamp("2024-03-19"), "label": label, **ranks}
        for video, ranks, label in videos
    ]
    frame = pd.DataFrame(rows).reindex(columns=["user_id", "video_id", "at", "label", *RANKS])
    return frame.assign(shown_at=frame["at"], video__viewers_total=9.0)


def judged(rows: pd.DataFrame, systems: Mapping[str, Scorer], known: GuardFacts) -> Compared:
    """With the policy of the package."""
    return judge(rows, systems, known, read(OURS))


def facts(rows: pd.DataFrame, **creators: str) -> GuardFacts:
    return GuardFacts({video: f"maker of {video}" for video in rows["video_id"]} | creators)


ANN = moment(
    "ann",
    ("similar", {"item_item_rank": 1}, 0),
    ("liked", {"item_item_rank": 2}, 3),
    ("hit", {"popularity_rank": 1}, 1),
    ("missed", {}, 4),
)


def test_what_no_source_proposed_is_in_no_list_and_counts_in_the_best_one() -> None:
    rows = ordered(ANN)
    found = judged(rows, {"alone": SIMILAR, "perfect": By({"liked": 2, "hit": 1, "missed": 9})}, facts(rows))
    best = 4 + 3 / np.log2(3) + 1 / np.log2(4)
    filled = 3 / np.log2(3) + 1 / np.log2(4)  # what item_item leaves of the list, popularity fills
    assert found.figures.tolist() == [[pytest.approx(filled / best), pytest.approx((3 + 1 / np.log2(3)) / best)]]


def test_a_moment_without_a_hit_counts_and_one_after_which_nothing_was_watched_does_not() -> None:
    ben = moment("ben", ("similar", {"item_item_rank": 1}, 0), ("missed", {}, 1))
    cid = moment("cid", ("similar", {"item_item_rank": 1}, 0))
    rows = ordered(pd.concat([ANN, ben, cid]))
    found = judged(rows, {"alone": SIMILAR}, facts(rows))
    assert (found.viewers, found.moments) == (2, 2)
    assert found.mean("alone").value == pytest.approx(
        judged(ordered(ANN), {"alone": SIMILAR}, facts(rows)).mean("alone").value / 2, abs=1e-5
    )


def test_several_moments_of_a_viewer_count_as_one_viewer() -> None:
    later = ANN.assign(at=ANN["at"] + pd.Timedelta(hours=1), label=[1, 0, 0, 0])
    rows = ordered(pd.concat([ANN, later]))
    found = judged(rows, {"alone": SIMILAR}, facts(rows))
    assert (found.viewers, found.moments) == (1, 2)
    assert 0.5 < found.mean("alone").value < 1


def test_a_ranker_that_orders_its_candidates_well_is_rejected_where_its_list_misses_what_popularity_finds() -> None:
    # What is watched is what is popular. The ranker puts the one similar video that is liked above the others that are
    # not, which no plain order does, and all of them above what is popular.
    popular = [(f"hit{n}", {"popularity_rank": n + 1, "popular_rank": 10 - n}, 2 if n < 6 else 0) for n in range(10)]
    similar = [(f"like{n:02}", {"item_item_rank": n + 1}, 1 if n == 11 else 0) for n in range(12)]
    rows = ordered(pd.concat([moment(f"u{n:03}", *popular, *similar) for n in range(120)]))
    ranker = By({f"like{n:02}": 50.0 + n for n in range(12)})
    among = rows[rows["video_id"].str.startswith("like")]
    alone = judged(among, {"tonight": ranker, "item_item_order": SIMILAR}, facts(rows))
    assert alone.mean("tonight").value == 1.0 > alone.mean("item_item_order").value

    orders = {order.version: order for order in plain_orders()}
    defaults = Defaults(SIMILAR.version, POPULAR.version)
    found = decide(
        judged(rows, {**orders, "tonight": ranker}, facts(rows)), list(orders), ["tonight"], None, None, defaults
    )
    assert found.serves == POPULAR.version
    assert found.why["tonight"].startswith("does not clearly beat popularity_order")


def test_lists_are_spaced_as_feeds_are() -> None:
    rows = ordered(moment("ann", *[(f"v{n}", {"item_item_rank": n + 1}, int(n == 2)) for n in range(3)]))
    apart = judged(rows, {"alone": SIMILAR}, facts(rows)).mean("alone").value
    busy = judged(rows, {"alone": SIMILAR}, facts(rows, v0="busy", v1="busy")).mean("alone").value
    assert [apart, busy] == pytest.approx([1 / np.log2(4), 1 / np.log2(3)], abs=1e-5)


def test_what_rises_has_its_slot_in_the_lists_too() -> None:
    rows = ordered(moment("ann", *[(f"v{n:02}", {"item_item_rank": n + 1}, int(n == 11)) for n in range(12)]))
    known = facts(rows)
    rising = replace(known.videos, rising=np.array([int(video == "v11") for video in known.creators]))
    found = judged(rows, {"alone": SIMILAR}, replace(known, known=rising)).mean("alone").value
    first = read(OURS).numbers["trending"].model_dump()["first"]["value"]
    assert found == pytest.approx(1 / np.log2(first + 2), abs=1e-5)
    assert judged(rows, {"alone": SIMILAR}, known).mean("alone").value == 0


def test_the_order_of_the_rows_changes_nothing() -> None:
    chance = np.random.default_rng(5)
    rows = pd.concat(
        moment(
            f"u{n}",
            *[
                (f"v{v}", {"item_item_rank": v + 1, "popular_rank": 9 - v}, int(chance.integers(0, 3)))
                for v in range(9)
            ],
        )
        for n in range(30)
    )
    systems = {order.version: order for order in plain_orders()}
    once = judged(ordered(rows), systems, facts(rows))
    again = judged(ordered(rows.sample(frac=1, random_state=2)), systems, facts(rows))
    assert np.array_equal(once.figures, again.figures) and once.guarded == again.guarded


def test_the_guards_are_measured_on_what_the_first_ten_slots_of_all_lists_show() -> None:
    rows = ordered(moment("ann", *[(f"v{n:02}", {"item_item_rank": n + 1}, 1) for n in range(20)]))
    rows.loc[rows["video_id"] < "v05", "video__viewers_total"] = 50.0
    found = judged(rows, {"alone": SIMILAR}, facts(rows, unseen="x"))
    assert found.guarded["alone"][:2] == pytest.approx((10 / 21, 0.5), abs=1e-5)
