"""Spacing: the best first, and videos of one creator a little apart."""

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine.frames import frame_of
from jobs.ranking.spacing import SLOTS, spaced
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
