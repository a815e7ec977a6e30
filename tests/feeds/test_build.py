"""Feeds: ordered by the ranker, spaced by creator, every slot with a reason that a person understands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine.frames import frame_of
from jobs.feeds.build import SLOTS, feeds, reasons, scored, spaced
from jobs.ranking.model import InService
from jobs.ranking.rankers.ranker import Model, Trained
from jobs.ranking.sources.registry import SOURCES
from jobs.ranking.training_set import Split
from serving.feed_store.layout import version_of

CANDIDATES = "user_id string, video_id string, source string, because string"


@pytest.fixture(scope="module")
def videos(spark: SparkSession) -> DataFrame:
    rows = [(f"busy{n}", "busy", f"Busy {n}") for n in range(4)] + [
        ("a", "ann", "Toy"),
        ("b", "ben", " "),
        ("c", "cid", None),
    ]
    return frame_of(spark, "video_id string, user_id string, title string", rows)


def order(slots: DataFrame) -> list[str]:
    rows = sorted(slots.collect(), key=lambda r: r.position)
    assert [r.position for r in rows] == list(range(len(rows)))
    return [r.video_id for r in rows]


def ranked(spark: SparkSession, **videos: dict[str, int]) -> DataFrame:
    """A row for each video, with its rank in some of the sources."""
    columns = [source.column("rank") for source in SOURCES]
    rows = [("me", video, *[ranks.get(source.name) for source in SOURCES]) for video, ranks in videos.items()]
    return frame_of(spark, ", ".join(["user_id string", "video_id string", *[f"{c} int" for c in columns]]), rows)


def by_score(spark: SparkSession, videos: Iterable[str]) -> DataFrame:
    """One viewer's videos, best first."""
    places = list(videos)
    score = F.create_map(*[F.lit(part) for n, video in enumerate(places) for part in (video, -float(n))])
    return ranked(spark, **{video: {} for video in places}).withColumn("score", score[F.col("video_id")])


def test_further_videos_of_one_creator_let_others_in_between(spark: SparkSession, videos: DataFrame) -> None:
    slots = spaced(by_score(spark, ["busy0", "busy1", "busy2", "a", "b", "c"]), videos)
    assert order(slots) == ["busy0", "busy1", "a", "b", "c", "busy2"]


def test_where_all_are_of_one_creator_the_order_is_the_rankers(spark: SparkSession, videos: DataFrame) -> None:
    best_first = ["busy3", "busy1", "busy0", "busy2"]
    assert order(spaced(by_score(spark, best_first), videos)) == best_first


def test_equal_scores_are_ordered_by_popularity_then_freshness_then_id(spark: SparkSession, videos: DataFrame) -> None:
    alike = ranked(spark, busy0={}, a={"fresh": 2}, b={"fresh": 1}, c={"popular": 7}).withColumn("score", F.lit(0.0))
    assert order(spaced(alike, videos)) == ["c", "b", "a", "busy0"]


def test_a_feed_has_no_more_than_its_slots(spark: SparkSession) -> None:
    many = [f"v{n:03}" for n in range(SLOTS + 9)]
    videos = frame_of(spark, "video_id string, user_id string", [(v, f"maker of {v}") for v in many])
    assert order(spaced(by_score(spark, many), videos)) == many[:SLOTS]


def test_the_reason_is_that_of_the_strongest_source_in_words(spark: SparkSession, videos: DataFrame) -> None:
    rows = [
        ("me", "1", "item_item", "a"),
        ("me", "1", "popular", "7"),
        ("me", "2", "item_item", "b"),
        ("me", "3", "popular", "7"),
        ("me", "4", "popular", "36500"),
        ("me", "5", "fresh", "cats"),
        ("me", "6", "fresh", None),
    ]
    said = {r.video_id: r.reason for r in reasons(frame_of(spark, CANDIDATES, rows), videos).collect()}
    assert said == {
        "1": "because you watched Toy",
        "2": "because you watched b",
        "3": "popular this week",
        "4": "popular of all time",
        "5": "new in #cats",
        "6": "new here",
    }


def test_without_a_ranker_the_order_is_that_of_item_item(spark: SparkSession) -> None:
    rows = ranked(spark, second={"item_item": 2}, first={"item_item": 1}, popular={"popular": 1})
    result = {r.video_id: r.score for r in scored(rows, None).collect()}
    assert result["first"] == 0.0 > result["second"] == -1.0 > result["popular"]


def test_the_model_in_service_gives_the_score_of_whatever_ranker_it_is(spark: SparkSession) -> None:
    class Freshest:
        name, file, limits = "freshest", "none.txt", ()
        parameters: Mapping[str, Any] = {}

        def train(self, parts: Split, features: tuple[str, ...]) -> Trained:
            return Trained(b"fresh_rank", rounds=0)

        def load(self, content: bytes) -> Model:
            return Order(content.decode())

    @dataclass
    class Order:
        column: str

        def score(self, frame: pd.DataFrame) -> NDArray[np.float64]:
            scores: NDArray[np.float64] = -frame[self.column].to_numpy(dtype=np.float64)
            return scores

    served = InService(Freshest(), "20240309-abc", b"fresh_rank", datetime(2024, 3, 9, tzinfo=UTC))
    rows = ranked(spark, old={"popular": 1, "fresh": 2}, new={"popular": 2, "fresh": 1})
    result = {r.video_id: r.score for r in scored(rows, served).collect()}
    assert result == {"old": -2.0, "new": -1.0}


def test_the_same_night_and_ranker_have_the_same_version(spark: SparkSession, videos: DataFrame) -> None:
    why = frame_of(spark, "user_id string, video_id string, reason string", [("me", "a", "because")])
    (row,) = feeds(spaced(by_score(spark, ["a"]), videos), why, date(2024, 3, 9), "20240309-abc").collect()
    assert row.feed_version == version_of(date(2024, 3, 9), "20240309-abc") == "20240309.20240309-abc"
    assert (row.user_id, row.position, row.video_id, row.reason) == ("me", 0, "a", "because")
