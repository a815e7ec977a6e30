"""The audit of a night: what its measures say of slots that are counted by hand, beside popularity's lists."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from jobs.engine.frames import frame_of, rows_of
from jobs.feeds import audit
from jobs.feeds.audit import MEASURES, behind, gini, lists, top_share

NIGHT = date(2024, 3, 7)
VERSION = "20240307.m"


def slot(user: str, position: int, video: str, propensity: float | None = None) -> dict[str, Any]:
    of = {"user_id": user, "position": position, "video_id": video, "propensity": propensity, "event_date": NIGHT}
    return {**of, "feed_version": VERSION, "model_version": "m", "score": 1.0, "reason": "why"}


def popular(user: str, rank: int, video: str) -> dict[str, Any]:
    return {
        "event_date": NIGHT,
        "user_id": user,
        "video_id": video,
        "source": "popular",
        "rank": rank,
        "score": 1.0,
    }


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any))
def test_inequality_is_the_mean_difference_of_two_videos(slots: list[int]) -> None:
    every = np.array(slots)
    numbers, videos = np.unique(every[every > 0], return_counts=True)
    by_hand = np.abs(every[:, None] - every[None, :]).mean() / (2 * every.mean())
    assert gini(numbers, videos, len(every)) == pytest.approx(by_hand, abs=1e-9)
    most = len(every) / 10
    first = np.sort(every)[::-1]
    shares = first[: int(most)].sum() + (most - int(most)) * first[int(most)]
    assert top_share(numbers, videos, most) == pytest.approx(shares / every.sum())


def test_being_worse_is_told_in_the_direction_of_each_measure_and_never_of_what_has_none() -> None:
    assert behind("coverage", 0.3, 0.4) == pytest.approx(0.25)
    assert behind("coverage", 0.5, 0.4) == 0
    assert behind("gini", 0.5, 0.4) == pytest.approx(0.25)
    assert behind("gini", 0.3, 0.4) == 0
    assert behind("chance_share", 0.0, 0.1) is None
    # Where popularity shows nothing of it, nothing can be less.
    assert behind("new_share", 0.0, 0.0) is None


def test_popularity_is_asked_for_the_viewers_who_have_a_feed_and_a_slot_counts_at_each_depth(
    spark: SparkSession,
) -> None:
    feeds = rows_of(spark, "gold.feeds", [slot("ann", 0, "a"), slot("ann", 12, "b", 0.1)])
    proposed = rows_of(spark, "gold.candidates", [popular("ann", 1, "c"), popular("ben", 1, "d")])
    found = lists(feeds, proposed).collect()
    assert {(r.system, r.user_id, r.video_id, r.depth, r.is_drawn) for r in found} == {
        ("served", "ann", "a", 10, False),
        ("served", "ann", "a", 50, False),
        ("served", "ann", "b", 50, True),
        ("popularity", "ann", "c", 10, False),
        ("popularity", "ann", "c", 50, False),
    }


def test_a_night_has_a_row_for_each_measure_beside_that_of_popularity(spark: SparkSession) -> None:
    # Two viewers are shown a, and b and c of ben; popularity would have shown a to both. Nobody is shown d.
    known = frame_of(
        spark,
        "video_id string, creator string, is_new boolean, views long",
        [("a", "ada", False, 90), ("b", "ben", True, 9), ("c", "ben", True, 0), ("d", "cid", True, 0)],
    )
    feeds = rows_of(
        spark, "gold.feeds", [slot("u", 0, "a"), slot("u", 1, "b", 0.5), slot("v", 0, "a"), slot("v", 1, "c")]
    )
    proposed = rows_of(spark, "gold.candidates", [popular("u", 1, "a"), popular("v", 1, "a")])
    rows = {row["metric"]: row for row in audit.audit(feeds, proposed, known, NIGHT)}
    assert set(rows) == {f"{name}@{depth}" for name in MEASURES for depth in audit.DEPTHS}
    assert {(row["event_date"], row["feed_version"]) for row in rows.values()} == {(NIGHT, VERSION)}
    found = {name: (rows[f"{name}@10"]["value"], rows[f"{name}@10"]["popularity"]) for name in MEASURES}
    assert found["coverage"] == (0.75, 0.25)
    assert found["creator_coverage"] == pytest.approx((2 / 3, 1 / 3), abs=1e-6)
    # Slots of four videos: 2, 1, 1, none; popularity's: 2 and three times none.
    assert found["gini"] == (0.375, 0.75)
    assert found["top_tenth_share"] == (0.2, 0.4)
    assert found["new_share"] == (0.5, 0)
    # Of 99 views ada has 90: ben and cid share the last fifth, with three of four videos.
    assert found["small_creator_share"] == (0.5, 0)
    assert found["small_creator_parity"] == pytest.approx((2 / 3, 0), abs=1e-6)
    assert found["creators_per_slot"] == (1, 1)
    assert found["chance_share"] == (0.25, 0)
    assert {row["behind_popularity"] for row in rows.values()} <= {0, None}


def test_before_anything_is_watched_nothing_is_said_of_small_creators(spark: SparkSession) -> None:
    known = frame_of(spark, "video_id string, creator string, is_new boolean, views long", [("a", "ada", True, 0)])
    feeds = rows_of(spark, "gold.feeds", [slot("u", 0, "a")])
    nobody: DataFrame = rows_of(spark, "gold.candidates", [])
    found = audit.audit(feeds, nobody, known, NIGHT)
    assert "small_creator_share@10" not in {row["metric"] for row in found}
    assert all(row["popularity"] is None and row["behind_popularity"] is None for row in found)


def test_each_arm_is_measured_beside_popularity_for_its_own_viewers_and_all_feeds_together(spark: SparkSession) -> None:
    known = frame_of(
        spark,
        "video_id string, creator string, is_new boolean, views long",
        [("a", "ada", False, 90), ("b", "ben", True, 9), ("c", "ben", True, 0), ("d", "cid", True, 0)],
    )

    def of(arm: str, slot: dict[str, Any]) -> dict[str, Any]:
        return {**slot, "comparison": "spring", "feed_arm": arm, "arm_share": 0.5, "policy_version": f"p-{arm}"}

    feeds = rows_of(
        spark,
        "gold.feeds",
        [of("control", slot("u", 0, "a")), of("wide", slot("v", 0, "b")), of("wide", slot("w", 0, "c", 0.5))],
    )
    proposed = [popular("u", 1, "a"), popular("u", 2, "b"), popular("v", 1, "a"), popular("w", 1, "a")]
    found = audit.audit(feeds, rows_of(spark, "gold.candidates", proposed), known, NIGHT)
    whose = ("comparison", "feed_arm", "policy_version")
    measured = {(*(row[name] for name in whose), row["metric"]): (row["value"], row["popularity"]) for row in found}
    assert len(measured) == 3 * len(MEASURES) * len(audit.DEPTHS)
    everybody, control, wide = (None,) * 3, ("spring", "control", "p-control"), ("spring", "wide", "p-wide")
    of_ten = {name: [measured[(*who, f"{name}@10")] for who in (everybody, control, wide)] for name in MEASURES}
    assert of_ten["coverage"] == [(0.75, 0.5), (0.25, 0.5), (0.5, 0.25)]
    assert of_ten["new_share"] == [(0.666667, 0.25), (0, 0.5), (1, 0)]
    assert of_ten["chance_share"] == [(0.333333, 0), (0, 0), (0.5, 0)]
    assert of_ten["creators_per_slot"] == [(1, 1)] * 3
