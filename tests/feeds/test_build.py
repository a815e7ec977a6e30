"""Feeds: ordered by what serves, every slot with a reason that a person understands, and nobody's feed cut in two."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from feature_repo import definitions
from jobs.engine.frames import frame_of, rows_of
from jobs.engine.lake import Lake
from jobs.features import store
from jobs.feeds.arms import CONTROL, Arm, Comparison, Maker, Makers
from jobs.feeds.build import NotServed, tonight
from jobs.feeds.draws import CHANCE, REASON
from jobs.feeds.slots import Columns, candidates_of, catalogue_of
from jobs.ranking.features import side_by_side, ties
from jobs.ranking.model import InService
from jobs.ranking.orders import FIRST, Order
from jobs.ranking.policy import OURS, read
from jobs.ranking.rankers.ranker import Model, Trained
from jobs.ranking.sources import registry
from jobs.ranking.sources.popular import POPULAR
from jobs.ranking.spacing import SLOTS
from jobs.ranking.training_set import Split
from serving.feed_store.layout import version_of
from tests.ranking.conftest import DAY, feeds_of

CANDIDATES = "user_id string, video_id string, source string, score double, rank int, because string"


def candidates(spark: SparkSession, *said: tuple[str, str, int, str | None]) -> DataFrame:
    """What sources propose to "me": video, source, rank and what it went by."""
    return frame_of(spark, CANDIDATES, [("me", video, source, 1 / n, n, why) for video, source, n, why in said])


@pytest.fixture(scope="module")
def videos(spark: SparkSession) -> DataFrame:
    titles = {"a": "Toy", "b": " ", "c": None}
    rows = [(video, f"maker of {video}", titles.get(video, "T")) for video in "abcdefg"]
    return frame_of(spark, "video_id string, user_id string, title string", rows)


def test_the_reason_is_that_of_the_strongest_source_in_words(spark: SparkSession, videos: DataFrame) -> None:
    said = candidates(
        spark,
        ("d", "popular", 1, "7"),
        ("d", "item_item", 1, "a"),
        ("e", "item_item", 2, "b"),
        ("f", "item_item", 3, "gone"),
        ("a", "popular", 2, "36500"),
        ("b", "fresh", 1, "cats"),
        ("c", "fresh", 2, None),
        ("gone", "item_item", 4, "a"),
    )
    assert {r.video_id: r.reason for r in feeds_of(said, videos, FIRST)} == {
        "d": "because you watched Toy",
        "e": "because you watched b",
        "f": "because you watched gone",
        "a": "popular of all time",
        "b": "new in #cats",
        "c": "new here",
    }


def test_before_anything_was_judged_the_order_is_that_of_item_item(spark: SparkSession, videos: DataFrame) -> None:
    said = candidates(spark, ("a", "item_item", 2, "c"), ("b", "item_item", 1, "c"), ("d", "popular", 1, "7"))
    assert [(r.video_id, r.score) for r in feeds_of(said, videos, FIRST)][:2] == [("b", 0.0), ("a", -1.0)]


def test_the_model_in_service_gives_the_score_of_whatever_ranker_it_is(spark: SparkSession, videos: DataFrame) -> None:
    class Freshest:
        name, file, limits = "freshest", "none.txt", ()
        parameters: Mapping[str, Any] = {}

        def train(self, parts: Split, features: tuple[str, ...]) -> Trained:
            return Trained(b"fresh_rank", rounds=0)

        def load(self, content: bytes) -> Model:
            return ByColumn(content.decode())

    @dataclass
    class ByColumn:
        column: str
        steps: int = 1

        def score(self, frame: pd.DataFrame) -> NDArray[np.float64]:
            scores: NDArray[np.float64] = -frame[self.column].to_numpy(dtype=np.float64)
            return scores

        def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
            return frame[[self.column]]

    served = InService(Freshest(), "20240309-abc", b"fresh_rank", datetime(2024, 3, 9, tzinfo=UTC))
    said = candidates(
        spark, ("a", "popular", 1, "7"), ("a", "fresh", 2, None), ("b", "popular", 2, "7"), ("b", "fresh", 1, None)
    )
    assert [(r.video_id, r.score) for r in feeds_of(said, videos, served)] == [("b", -1.0), ("a", -2.0)]


def test_a_feed_has_no_more_than_its_slots_and_the_nights_version(spark: SparkSession) -> None:
    many = [f"v{n:03}" for n in range(SLOTS + 9)]
    videos = frame_of(spark, "video_id string, user_id string, title string", [(v, f"by {v}", v) for v in many])
    said = candidates(spark, *[(video, "item_item", n + 1, "v000") for n, video in enumerate(many)])
    feed = feeds_of(said, videos, FIRST)
    assert [(r.position, r.video_id) for r in feed] == list(enumerate(many[:SLOTS]))
    assert {(r.user_id, r.feed_version) for r in feed} == {("me", version_of(DAY, FIRST.version))}


def test_a_slot_that_chance_has_filled_says_so_and_has_its_propensity(spark: SparkSession) -> None:
    many = [f"v{n:03}" for n in range(SLOTS + 30)]
    videos = frame_of(spark, "video_id string, user_id string, title string", [(v, f"by {v}", v) for v in many])
    said = candidates(spark, *[(video, "item_item", n + 1, "v000") for n, video in enumerate(many)])
    plain, feed = feeds_of(said, videos, FIRST), feeds_of(said, videos, FIRST, share=0.1)
    drawn = [r.position for r in feed if r.propensity is not None]
    assert 0 < len(drawn) < SLOTS and [r.position for r in feed] == list(range(SLOTS))
    assert len({r.video_id for r in feed}) == SLOTS
    for was, now in zip(plain, feed, strict=True):
        by_chance = now.position in drawn
        assert (now.reason == REASON) == by_chance
        assert (now.source, now.policy_version) == (CHANCE if by_chance else "item_item", read(OURS).version)
        assert now.propensity == (1 / len(many) if now.position in drawn else None)
        # What stands elsewhere either stayed, or made room for a drawn video.
        assert (
            was.video_id == now.video_id or now.position in drawn or now.video_id in {plain[p].video_id for p in drawn}
        )
    assert feed == feeds_of(said, videos, FIRST, share=0.1)


def test_each_arm_has_its_own_system_and_policy_and_every_slot_says_which(
    spark: SparkSession, videos: DataFrame, tmp_path: Path
) -> None:
    apart = tmp_path / "apart.yml"
    apart.write_text(OURS.read_text(encoding="utf-8").replace("value: 2", "value: 0", 1), encoding="utf-8")
    arms = [Arm("trendy", 0.4, None, "popular_order", "x"), Arm("apart", 0.3, read(apart), None, "x")]
    compared = Comparison("now", (*arms, Arm(CONTROL, 0.3, None, None, "x")))
    systems = [Order(POPULAR), FIRST, FIRST]
    makers = Makers(
        compared,
        tuple(Maker(arm, own, arm.policy or read(OURS)) for arm, own in zip(compared.arms, systems, strict=True)),
    )
    viewers = [f"u{n:02}" for n in range(12)]
    ranks = (("a", "item_item", 1), ("b", "item_item", 2), ("a", "popular", 2), ("b", "popular", 1))
    rows = [(viewer, video, source, 1 / n, n, "7") for viewer in viewers for video, source, n in ranks]
    made = feeds_of(frame_of(spark, CANDIDATES, rows), videos, makers)
    drawn = dict(zip(viewers, compared.drawn(viewers), strict=True))
    assert set(drawn.values()) == {0, 1, 2}
    for slot in made:
        maker = makers.each[drawn[slot.user_id]]
        assert maker.arm and slot.video_id == ("ba" if maker.arm.name == "trendy" else "ab")[slot.position]
        assert (slot.feed_arm, slot.arm_share) == (maker.arm.name, maker.arm.share)
        assert (slot.model_version, slot.policy_version) == (maker.system.version, maker.policy.version)
    assert {(slot.comparison, slot.feed_version) for slot in made} == {
        ("now", version_of(DAY, f"{FIRST.version}.{compared.version}"))
    }
    # Without a comparison nothing is said of arms.
    (alike, *_) = feeds_of(candidates(spark, ("a", "popular", 1, "7")), videos, FIRST)
    assert (alike.comparison, alike.feed_arm, alike.arm_share) == (None, None, None)


def test_what_sources_say_lies_side_by_side_as_it_does_for_past_moments(spark: SparkSession) -> None:
    chance = np.random.default_rng(5)
    rows = [
        # Counts, of which many are halves of the last decimal that is kept.
        (user, f"v{video}", source, float(chance.integers(0, 129)), rank + 1, None)
        for user in ("ann", "ben")
        for source in ("item_item", "popular", "fresh")
        for rank, video in enumerate(chance.permutation(40)[:30])
    ]
    rows.append(("cid", "v1", "popular", 0.0, 1, None))
    said = frame_of(spark, CANDIDATES, rows)
    table: pd.DataFrame = side_by_side(said.selectExpr("*", "TIMESTAMP '2024-03-09' AS at")).toPandas()
    known = pa.table({"video_id": [f"v{n}" for n in range(40)], "creator": ["x"] * 40, "title": ["t"] * 40})
    catalogue = catalogue_of(known.append_column("days_since_published", pa.array([0.0] * 40)), ())
    made = candidates_of(
        said.selectExpr("*", "CAST(NULL AS array<double>) AS facts").toArrow(),
        catalogue,
        Columns(registry.SOURCES, ties(), ()),
    )
    ids = [(made.viewers[v].as_py(), catalogue.videos[w].as_py()) for v, w in zip(made.viewer, made.video, strict=True)]
    expected = table.set_index(["user_id", "video_id"]).loc[ids].drop(columns="at").astype("float32")
    np.testing.assert_array_equal(made.frame[expected.columns].to_numpy(), expected.to_numpy())


def test_a_ranker_that_reads_what_describes_no_viewer_and_no_video_is_refused(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(definitions.SERVICES, store.SERVICE, ("hashtag",))
    lake.merge("silver.videos", rows_of(lake.spark, "silver.videos", []))
    said = rows_of(lake.spark, "gold.candidates", [])
    with pytest.raises(NotServed, match=r"hashtag__.*describes a viewer or a video alone"):
        tonight(lake, said, datetime(2024, 3, 9, tzinfo=UTC))
