"""Feeds: ordered by the ranker, every slot with a reason that a person understands."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from jobs.engine.frames import frame_of
from jobs.feeds.build import feeds, reasons, scored
from jobs.ranking.model import InService
from jobs.ranking.orders import FIRST
from jobs.ranking.rankers.ranker import Model, Trained
from jobs.ranking.spacing import spaced
from jobs.ranking.training_set import Split
from serving.feed_store.layout import version_of
from tests.ranking.conftest import by_score, ranked

CANDIDATES = "user_id string, video_id string, source string, because string"


@pytest.fixture(scope="module")
def videos(spark: SparkSession) -> DataFrame:
    rows = [(f"busy{n}", "busy", f"Busy {n}") for n in range(4)] + [
        ("a", "ann", "Toy"),
        ("b", "ben", " "),
        ("c", "cid", None),
    ]
    return frame_of(spark, "video_id string, user_id string, title string", rows)


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


def test_before_anything_was_judged_the_order_is_that_of_item_item(spark: SparkSession) -> None:
    rows = ranked(spark, second={"item_item": 2}, first={"item_item": 1}, popular={"popular": 1})
    result = {r.video_id: r.score for r in scored(rows, FIRST).collect()}
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

        def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
            return frame[[self.column]]

    served = InService(Freshest(), "20240309-abc", b"fresh_rank", datetime(2024, 3, 9, tzinfo=UTC))
    rows = ranked(spark, old={"popular": 1, "fresh": 2}, new={"popular": 2, "fresh": 1})
    result = {r.video_id: r.score for r in scored(rows, served).collect()}
    assert result == {"old": -2.0, "new": -1.0}


def test_the_same_night_and_ranker_have_the_same_version(spark: SparkSession, videos: DataFrame) -> None:
    why = frame_of(spark, "user_id string, video_id string, reason string", [("me", "a", "because")])
    (row,) = feeds(spaced(by_score(spark, ["a"]), videos), why, date(2024, 3, 9), "20240309-abc").collect()
    assert row.feed_version == version_of(date(2024, 3, 9), "20240309-abc") == "20240309.20240309-abc"
    assert (row.user_id, row.position, row.video_id, row.reason) == ("me", 0, "a", "because")
