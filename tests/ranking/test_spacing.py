"""Spacing: the best first, and videos of one creator a little apart."""

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine.frames import frame_of
from jobs.ranking.features import ties
from jobs.ranking.spacing import SLOTS, positions, spaced
from tests.ranking.conftest import by_score, ranked


@pytest.fixture(scope="module")
def videos(spark: SparkSession) -> DataFrame:
    rows = [(f"busy{n}", "busy") for n in range(4)] + [("a", "ann"), ("b", "ben"), ("c", "cid")]
    return frame_of(spark, "video_id string, user_id string", rows)


def order(slots: DataFrame) -> list[str]:
    rows = sorted(slots.collect(), key=lambda r: r.position)
    assert [r.position for r in rows] == list(range(len(rows)))
    return [r.video_id for r in rows]


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


def test_the_positions_of_arrays_are_those_of_frames(spark: SparkSession) -> None:
    chance = np.random.default_rng(11)
    rows = [
        (f"u{viewer}", f"v{video:02}", f"maker{video % 7}", float(chance.integers(0, 4)), *_some_ranks(chance))
        for viewer in range(5)
        for video in range(60)
    ]
    columns = ["user_id string", "video_id string", "creator string", "score double", *[f"{r} int" for r in ties()]]
    frame = frame_of(spark, ", ".join(columns), rows)
    made = frame.select("video_id", F.col("creator").alias("user_id")).distinct()
    slots = {(r.user_id, r.video_id): r.position for r in spaced(frame.drop("creator"), made).collect()}

    numbers = np.array([[np.nan if rank is None else rank for rank in row[4:]] for row in rows], dtype=float)
    creators = np.unique([row[2] for row in rows], return_inverse=True)[1]
    found = positions(
        np.repeat(np.arange(5), 60), np.array([row[3] for row in rows]), list(numbers.T), creators.astype(np.int64)
    )
    expected = {(row[0], row[1]): int(at) for row, at in zip(rows, found, strict=True) if at < SLOTS}
    assert slots == expected


def _some_ranks(chance: np.random.Generator) -> list[int | None]:
    return [None if chance.random() < 0.5 else int(chance.integers(1, 9)) for _ in ties()]
