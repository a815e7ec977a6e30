"""Rows become a frame of a contract, and of the rows of a key one is the newest."""

from datetime import date

import pytest
from pyspark.sql import SparkSession

from jobs.engine.frames import frame_of, newest, rows_of
from jobs.engine.rules import SchemaMismatch


def test_a_row_gets_the_columns_of_the_contract_and_null_for_what_it_leaves_out(spark: SparkSession) -> None:
    frame = rows_of(spark, "gold.feeds", [{"user_id": "ann", "position": 1, "score": 0.5}])
    (row,) = frame.collect()
    assert (row.user_id, row.position, row.score, row.reason) == ("ann", 1, 0.5, None)
    assert dict(frame.dtypes)["event_date"] == "date"


def test_no_row_is_a_frame_with_the_same_columns(spark: SparkSession) -> None:
    assert rows_of(spark, "quarantine.gold.feeds", []).columns == rows_of(spark, "quarantine.rows", []).columns


def test_a_column_that_the_contract_has_not_is_an_error(spark: SparkSession) -> None:
    with pytest.raises(SchemaMismatch, match="names viewer, and there is no such column"):
        rows_of(spark, "gold.feeds", [{"viewer": "ann"}])


def test_the_newest_row_of_each_key_is_kept_and_of_equals_the_first(spark: SparkSession) -> None:
    old, new = date(2026, 1, 5), date(2026, 1, 6)
    rows = [("cats", "ann", new, 2), ("cats", "ann", old, 1), ("cats", "ben", new, 4), ("dogs", "ann", new, 3)]
    frame = frame_of(spark, "hashtag string, user_id string, event_date date, n int", rows)

    def kept(by: list[str], ties: list[str]) -> list[int]:
        return sorted(row.n for row in newest(frame, by=by, at="event_date", ties=ties).collect())

    assert kept(["hashtag", "user_id"], []) == [2, 3, 4]
    assert kept(["hashtag"], ["user_id"]) == [2, 3]
