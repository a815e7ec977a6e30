"""Which moments judge: the newest days, enough of them for a verdict, and not more than learning can spare."""

from datetime import UTC, datetime, timedelta

from pyspark.sql import SparkSession

from jobs.engine.frames import frame_of
from jobs.ranking.gate import ENOUGH_VIEWERS
from jobs.ranking.moments import CERTAIN, Day, days_of, judging, judging_days

NEWEST = datetime(2024, 3, 9, tzinfo=UTC)


def days(*said: tuple[int, int]) -> list[Day]:
    """Days of so many moments and so many viewers, the newest first."""
    return [Day(NEWEST - timedelta(days=n), moments, viewers) for n, (moments, viewers) in enumerate(said)]


def test_a_newest_day_with_too_few_viewers_is_widened_backwards_up_to_half_of_all_moments() -> None:
    assert len(judging_days(days((40, 40), (40, 40), (40, 40), (200, 200)))) == 3
    assert len(judging_days(days((40, 40), (40, 40), (40, 40)))) == 1
    assert len(judging_days(days((99, ENOUGH_VIEWERS)))) == 1


def test_more_viewers_than_enough_judge_while_that_takes_a_quarter_at_most() -> None:
    assert len(judging_days(days((100, 100), (100, 100), (100, 100), (700, 700)))) == 2
    assert len(judging_days(days((CERTAIN, CERTAIN), (1, 1), (99 * CERTAIN, 1)))) == 1
    assert judging_days([]) == []


def test_days_count_their_moments_and_those_viewers_whose_newest_they_are(spark: SparkSession) -> None:
    at = [("ann", 0), ("ann", 3), ("ann", 30), ("ben", 4), ("cid", 31), ("cid", 32)]
    rows = [(viewer, NEWEST + timedelta(hours=hours)) for viewer, hours in at]
    found = days_of(frame_of(spark, "user_id string, at timestamp", rows))
    assert found == [Day(NEWEST + timedelta(days=1), 3, 2), Day(NEWEST, 3, 1)]


def test_too_many_viewers_are_drawn_whole_and_on_every_run_alike(spark: SparkSession) -> None:
    moments = spark.range(20_000).selectExpr(
        "concat('u', id % 10000) AS user_id", "timestamp'2024-03-09 01:00:00' + make_interval(0,0,0,0,id % 3) AS at"
    )
    found = judging(moments, days((20_000, 10_000)))
    sizes = {r.user_id: r["count"] for r in found.groupBy("user_id").count().collect()}
    assert set(sizes.values()) == {2} and 1_800 < len(sizes) < 2_200
    assert {r.user_id for r in judging(moments.repartition(7), days((20_000, 10_000))).collect()} == set(sizes)
