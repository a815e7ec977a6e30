"""What is above its own past rises: by how it is watched at these hours of the week, and by how sure that is."""

from datetime import UTC, datetime

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from jobs.engine.frames import frame_of
from jobs.engine.window import EPOCH, HOUR
from jobs.features.rises import LATELY, SPAN, rises, score

# A Sunday evening, 21:00 to 22:00.
NOW = (datetime(2024, 3, 31, 21, tzinfo=UTC) - EPOCH) // HOUR
PAST = range(NOW - SPAN + 1, NOW + 1)
Rises = dict[tuple[str, int], Row]


@pytest.fixture(scope="module")
def risen(spark: SparkSession) -> Rises:
    """By id and hour: of ids that are counted for four weeks, in hours of which the last two have twice as much."""
    counts: list[tuple[str, int, int]] = []
    for hour in PAST:
        many = 2 if hour > NOW - 2 else 1
        is_sunday_evening = (NOW - hour) % (7 * 24) < 2
        counts += [
            ("much", hour, 1000 * many),
            ("steady", hour, 10 * many),
            ("risen", hour, 120 if hour == NOW else 10 * many),
            ("on sundays", hour, 60 * many if is_sunday_evening else 4 * many),
            ("fallen", hour, 1 if hour > NOW - LATELY else 20),
        ]
    counts += [("again", NOW - 25 * 24, 9), ("again", NOW, 30), ("new", NOW, 30)]
    # As every day begins: with a few.
    counts += [(f"of day {day}", NOW - day * 24 - 7, 3) for day in range(1, 27)]
    rows = rises(
        frame_of(spark, "id STRING, hour BIGINT, count BIGINT", counts),
        frame_of(spark, "at BIGINT", [(NOW - 24,), (NOW,)]),
    )
    scored = rows.withColumn("score", score(F.col("lately"), F.col("expected"), F.col("certainty")))
    return {(row.id, row.at): row for row in scored.collect()}


def test_what_keeps_its_share_does_not_rise_however_much_is_watched(risen: Rises) -> None:
    for id in ("much", "steady"):
        row = risen[id, NOW]
        assert row.expected == pytest.approx(row.lately, rel=0.15)
        assert abs(row.score) < 0.5


def test_what_has_more_than_its_share_rises_and_what_has_less_falls(risen: Rises) -> None:
    assert risen["risen", NOW].score > 2
    assert risen["fallen", NOW].score < -2
    assert abs(risen["risen", NOW - 24].score) < 1


def test_what_is_watched_every_sunday_evening_is_no_surprise_then_and_would_be_on_a_saturday(risen: Rises) -> None:
    sunday, saturday = risen["on sundays", NOW], risen["on sundays", NOW - 24]
    assert sunday.lately > 2 * saturday.lately
    assert sunday.score < 1 < 3 < sunday.lately / saturday.expected


def test_an_old_id_that_rises_again_and_one_that_is_new_rise_too(risen: Rises) -> None:
    again, new = risen["again", NOW], risen["new", NOW]
    assert min(again.score, new.score) > 3
    assert (again.age, new.age) == (25 * 24, 0)


def test_a_small_rise_of_what_is_hardly_known_is_worth_less_than_of_what_is_well_known(spark: SparkSession) -> None:
    frame = frame_of(spark, "certainty DOUBLE", [(1.0,), (100.0,)])
    little, well = (row[0] for row in frame.select(score(F.lit(20.0), F.lit(5.0), F.col("certainty"))).collect())
    assert 0 < little < well


def test_an_outage_at_these_hours_of_another_week_makes_nothing_rise(spark: SparkSession) -> None:
    outage = range(NOW - 7 * 24 - LATELY, NOW - 7 * 24 + 1)
    counts = [(id, hour, n) for id, n in (("much", 300), ("little", 30)) for hour in PAST[-240:] if hour not in outage]
    rows = rises(
        frame_of(spark, "id STRING, hour BIGINT, count BIGINT", counts), frame_of(spark, "at BIGINT", [(NOW,)])
    )
    assert [row.expected / row.lately for row in rows.collect()] == [pytest.approx(1, rel=0.05)] * 2


def test_an_hour_says_the_same_alone_as_among_others(spark: SparkSession) -> None:
    counts = [("much", hour, 100) for hour in range(NOW - 2 * SPAN, NOW + 1)]
    counts += [(f"of day {day}", NOW - day * 24, 3) for day in range(50)]
    frame = frame_of(spark, "id STRING, hour BIGINT, count BIGINT", counts)
    among = rises(frame, frame_of(spark, "at BIGINT", [(NOW - 300,), (NOW,)])).where(F.col("at") == NOW).collect()
    alone = rises(frame.where(F.col("hour") > NOW - SPAN), frame_of(spark, "at BIGINT", [(NOW,)])).collect()
    assert sorted(among) == sorted(alone)


def test_without_a_past_nothing_is_said(spark: SparkSession) -> None:
    counts = frame_of(spark, "id STRING, hour BIGINT, count BIGINT", [("new", NOW, 30), ("other", NOW - 1, 3)])
    assert rises(counts, frame_of(spark, "at BIGINT", [(NOW,)])).collect() == []
