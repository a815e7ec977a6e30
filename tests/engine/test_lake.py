"""The lake keeps a table's contract: what breaks it is set aside or refused, and the last good version stays."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession

import data_contracts
from jobs.engine.commits import Commit
from jobs.engine.frames import frame_of
from jobs.engine.lake import EmptyOutput, Lake, TableMissing
from jobs.engine.query import query, tables
from jobs.engine.rules import BrokenBatch, SchemaMismatch
from jobs.engine.window import Window

MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)


@pytest.fixture(autouse=True)
def plays_contract(says: Callable[..., None]) -> None:
    says()


def plays(spark: SparkSession, *rows: tuple[str | None, date, int | None]) -> DataFrame:
    return frame_of(spark, "user_id string, event_date date, watch_ms bigint", rows)


def contents(lake: Lake) -> list[tuple[object, ...]]:
    lake.read_versions.clear()
    return sorted(tuple(r) for r in lake.read("gold.plays").collect())


def test_replacing_a_window_leaves_the_other_days_alone(lake: Lake) -> None:
    lake.replace(
        "gold.plays", plays(lake.spark, ("ann", MONDAY, 1), ("ann", TUESDAY, 2)), Window.of_days(MONDAY, TUESDAY)
    )
    lake.replace("gold.plays", plays(lake.spark, ("bob", TUESDAY, 3)), Window.of_day(TUESDAY))
    assert contents(lake) == [("ann", MONDAY, 1), ("bob", TUESDAY, 3)]


def test_a_lake_gives_the_rows_of_a_window_and_the_newest_of_each_key(lake: Lake) -> None:
    rows = [("ann", MONDAY, 1), ("ann", TUESDAY, 2), ("bob", MONDAY, 3)]
    lake.merge("gold.plays", plays(lake.spark, *rows))
    assert sorted(row.watch_ms for row in lake.of("gold.plays", Window.of_day(MONDAY)).collect()) == [1, 3]
    assert sorted(row.watch_ms for row in lake.newest("gold.plays", by=["user_id"]).collect()) == [2, 3]
    assert sorted(r.watch_ms for r in lake.newest("gold.plays", by=["user_id"], until=TUESDAY).collect()) == [1, 3]


def test_a_row_that_breaks_a_rule_goes_to_quarantine_whole_and_once(lake: Lake) -> None:
    for _ in range(2):
        commit = lake.replace(
            "gold.plays",
            plays(lake.spark, ("ann", MONDAY, 1), ("bob", MONDAY, -5), (None, MONDAY, 7)),
            Window.of_day(MONDAY),
        )
        assert (commit.rows, commit.quarantined) == (1, 2)
    kept = {tuple(r["rules"]): r["row"] for r in lake.read("quarantine.gold.plays").collect()}
    assert kept == {
        ("not_negative",): '{"user_id":"bob","event_date":"2026-01-05","watch_ms":-5}',
        ("user_id_required",): '{"event_date":"2026-01-05","watch_ms":7}',
    }


def test_a_batch_that_breaks_a_table_rule_is_not_committed(lake: Lake) -> None:
    lake.replace("gold.plays", plays(lake.spark, ("ann", MONDAY, 1)), Window.of_day(MONDAY))
    four = plays(lake.spark, *((user, MONDAY, 1) for user in "abcd"))
    with pytest.raises(BrokenBatch, match="expect_table_row_count_to_be_between.*saw 4"):
        lake.replace("gold.plays", four, Window.of_day(MONDAY))
    assert contents(lake) == [("ann", MONDAY, 1)]


def test_a_key_that_appears_twice_is_refused_with_an_example(lake: Lake) -> None:
    with pytest.raises(BrokenBatch, match="more than one row for a key.*'user_id': 'ann'"):
        lake.merge("gold.plays", plays(lake.spark, ("ann", MONDAY, 1), ("ann", MONDAY, 2)))


def test_nothing_never_replaces_something(lake: Lake) -> None:
    lake.replace("gold.plays", plays(lake.spark, ("ann", MONDAY, 1)), Window.of_day(MONDAY))
    with pytest.raises(EmptyOutput, match="gold.plays"):
        lake.replace("gold.plays", plays(lake.spark, ("ann", MONDAY, 1)).where("false"), Window.of_day(MONDAY))
    assert contents(lake) == [("ann", MONDAY, 1)]


@pytest.mark.parametrize("there", [TUESDAY, MONDAY], ids=["another day is there", "the day is there"])
def test_a_row_beside_the_window_is_refused_whether_there_is_something_to_replace_or_not(
    lake: Lake, there: date
) -> None:
    lake.replace("gold.plays", plays(lake.spark, ("ann", there, 1)), Window.of_day(there))
    beside = plays(lake.spark, ("bob", MONDAY, 1), ("cid", MONDAY + timedelta(days=9), 2))
    with pytest.raises(BrokenBatch, match="gold.plays has 1 rows for which .*event_date.* does not hold"):
        lake.replace("gold.plays", beside, Window.of_day(MONDAY))
    assert contents(lake) == [("ann", there, 1)]


def test_when_rows_are_is_told_by_the_rows_where_the_log_is_silent(lake: Lake) -> None:
    assert lake.version("gold.plays") < 0
    lake.create("gold.plays")
    assert lake.span("gold.plays") is None
    said = f"ALTER TABLE delta.`{lake.tables.uri('gold.plays')}` SET TBLPROPERTIES "
    lake.spark.sql(said + "('delta.dataSkippingNumIndexedCols' = '0')")
    rows = plays(lake.spark, ("ann", MONDAY, 1), ("bob", TUESDAY, 2))
    lake.replace("gold.plays", rows, Window.of_days(MONDAY, TUESDAY))
    midnights = tuple(datetime.combine(day, time(), UTC) for day in (MONDAY, TUESDAY))
    assert Lake(lake.spark, lake.settings).span("gold.plays") == midnights
    assert lake.has("gold.plays", Window.of_day(TUESDAY))
    assert not lake.has("gold.plays", Window.of_day(TUESDAY + timedelta(days=1)))


def test_nothing_replaces_something_when_the_job_knows_it_for_a_fact(lake: Lake) -> None:
    lake.replace(
        "gold.plays", plays(lake.spark, ("ann", MONDAY, 1), ("bob", TUESDAY, 2)), Window.of_days(MONDAY, TUESDAY)
    )
    nothing = plays(lake.spark, ("ann", MONDAY, 1)).where("false")
    lake.replace("gold.plays", nothing, Window.of_day(MONDAY), empty_is_a_fact=True)
    assert contents(lake) == [("bob", TUESDAY, 2)]
    broken = plays(lake.spark, ("ann", TUESDAY, -1))
    with pytest.raises(EmptyOutput):
        lake.replace("gold.plays", broken, Window.of_day(TUESDAY), empty_is_a_fact=True)


def test_a_merge_updates_by_key_and_an_insert_counts_each_key_once(lake: Lake) -> None:
    lake.merge("gold.plays", plays(lake.spark, ("ann", MONDAY, 1)))
    lake.merge("gold.plays", plays(lake.spark, ("ann", MONDAY, 2), ("bob", MONDAY, 3)))
    inserted = lake.insert_new("gold.plays", plays(lake.spark, ("ann", MONDAY, 9), ("cat", MONDAY, 4)))
    assert inserted is not None and inserted.rows == 1
    assert contents(lake) == [("ann", MONDAY, 2), ("bob", MONDAY, 3), ("cat", MONDAY, 4)]
    assert lake.insert_new("gold.plays", plays(lake.spark, ("dan", MONDAY, 1)).where("false")) is None


def test_the_first_rows_of_a_table_are_compared_with_nothing_and_credited_to_their_run(lake: Lake) -> None:
    commit = lake.insert_new("gold.plays", plays(lake.spark, ("ann", MONDAY, 1), ("bob", MONDAY, 2)))
    assert commit is not None and commit.rows == 2
    (newest, _) = lake.tables.open("gold.plays").history()
    assert (newest["operation"], newest["userMetadata"]) == ("WRITE", lake.run_id)
    lake.merge("gold.plays", plays(lake.spark, ("ann", MONDAY, 3)))
    assert lake.tables.open("gold.plays").history(1)[0]["operation"] == "MERGE"
    assert contents(lake) == [("ann", MONDAY, 3), ("bob", MONDAY, 2)]


def test_a_run_reads_a_table_at_one_version_while_others_write(lake: Lake) -> None:
    other = Lake(lake.spark, lake.settings)
    other.merge("gold.plays", plays(lake.spark, ("ann", MONDAY, 1)))
    assert lake.read("gold.plays").count() == 1
    other.merge("gold.plays", plays(lake.spark, ("bob", MONDAY, 1)))
    assert lake.read("gold.plays").count() == 1


def test_reading_cuts_half_open_by_the_window_column(lake: Lake) -> None:
    lake.merge("gold.plays", plays(lake.spark, ("ann", MONDAY, 1), ("ann", TUESDAY, 2)))
    assert [r["watch_ms"] for r in lake.read("gold.plays", since=MONDAY, until=TUESDAY).collect()] == [1]


def test_a_table_that_nothing_wrote_is_named_with_what_to_do(lake: Lake) -> None:
    with pytest.raises(TableMissing, match="gold.plays.*Run the job that writes it"):
        lake.read("gold.plays")


def test_a_wrong_schema_is_listed_column_by_column(lake: Lake) -> None:
    wrong = frame_of(lake.spark, "user_id string, watch_ms string, extra int", [("ann", "x", 1)])
    with pytest.raises(
        SchemaMismatch, match="event_date is missing; extra is not in the contract; watch_ms is string, not bigint"
    ):
        lake.merge("gold.plays", wrong)


def test_the_delta_table_says_what_the_contract_says(lake: Lake) -> None:
    lake.create("gold.plays")
    table = lake.tables.open("gold.plays")
    fields = {f.name: f for f in table.schema().fields}
    assert list(fields) == [c.name for c in data_contracts.load("gold.plays").columns]
    assert fields["watch_ms"].metadata["comment"] == "Time on screen. [ms]"
    assert not fields["user_id"].nullable
    assert table.metadata().description == "It's a table of plays."
    assert table.metadata().configuration["delta.constraints.not_negative"] == "coalesce(watch_ms >= 0, true)"


def test_checks_off_writes_the_same_rows(lake: Lake) -> None:
    off = Lake(lake.spark, lake.settings.model_copy(update={"checks": False}))
    off.merge("gold.plays", plays(lake.spark, ("ann", MONDAY, 1)))
    assert contents(lake) == [("ann", MONDAY, 1)]
    assert replace(off.commits[0], bytes=0, version=0).rows == 1


def test_a_table_whose_creation_was_killed_is_none_yet_and_is_created_next_time(lake: Lake) -> None:
    (lake.settings.lake / "gold" / "plays" / "_delta_log" / "_staged_commits").mkdir(parents=True)
    assert tables(lake.settings) == []
    assert query("SELECT 1", lake.settings)[1] == [(1,)]
    assert not lake.exists("gold.plays")
    lake.replace("gold.plays", plays(lake.spark, ("ann", MONDAY, 10)), Window.of_day(MONDAY))
    assert [(table.name, table.rows) for table in tables(lake.settings)] == [("gold.plays", 1)]


def test_a_write_that_changed_nothing_is_not_credited_with_the_commit_before_it(lake: Lake) -> None:
    first = lake.insert_new("gold.plays", plays(lake.spark, ("ann", MONDAY, 1), ("bob", MONDAY, 2)))
    later = Lake(lake.spark, lake.settings, run_id="later")
    again = later.insert_new("gold.plays", plays(lake.spark, ("ann", MONDAY, 1)))
    assert first is not None and first.rows == 2
    assert again is not None and (again.rows, again.bytes) == (0, 0)
    assert later.commits == []


def test_a_commit_of_somebody_else_in_between_is_not_credited_to_this_run(lake: Lake) -> None:
    lake.insert_new("gold.plays", plays(lake.spark, ("ann", MONDAY, 1)))
    before = lake.version("gold.plays")
    Lake(lake.spark, lake.settings, run_id="other").insert_new("gold.plays", plays(lake.spark, ("bob", MONDAY, 2)))
    assert lake._record("gold.plays", before, quarantined=0).rows == 0


@pytest.mark.parametrize("write", [Lake.merge, Lake.insert_new])
def test_a_merge_of_some_days_opens_no_file_of_those_between(
    lake: Lake, write: Callable[[Lake, str, DataFrame], Commit | None]
) -> None:
    table, sunday = lake.settings.lake / "gold" / "plays", MONDAY - timedelta(days=1)
    lake.merge("gold.plays", plays(lake.spark, ("ann", MONDAY, 1)))
    of_monday = list(table.glob("*.parquet"))
    lake.merge("gold.plays", plays(lake.spark, ("ann", TUESDAY, 2)))
    for file in of_monday:
        file.rename(file.with_suffix(".away"))
    write(lake, "gold.plays", plays(lake.spark, ("ann", TUESDAY, 3), ("bob", sunday, 4)))
    for file in of_monday:
        file.with_suffix(".away").rename(file)
    assert [row[:2] for row in contents(lake)] == [("ann", MONDAY), ("ann", TUESDAY), ("bob", sunday)]
