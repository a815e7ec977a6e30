"""What daily jobs owe follows from what changed in their inputs, not from the windows of earlier runs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import functions as F

import data_contracts
from jobs.engine import coverage
from jobs.engine.lake import Lake
from jobs.engine.runner import run_job
from jobs.engine.runs import JobRun
from jobs.engine.window import Window
from jobs.features import hashtags
from jobs.pipeline import JOBS

# PySpark leaves the socket of every collect() to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

FIRST = date(2024, 3, 1)
# What it owes is the runner's to find out, whatever it does with the days.
JOB = replace(hashtags.run, function=lambda lake, window: None)


def window(first: int, last: int) -> Window:
    return Window.of_days(FIRST + timedelta(days=first), FIRST + timedelta(days=last))


def night(lake: Lake, day: int) -> JobRun:
    """A scheduled run for the day, counted from 2024-03-01."""
    return run_job(JOB, window(day, day), lake.spark, lake.settings, catch_up=True)


def owed(lake: Lake) -> int | None:
    """The first day that is owed, counted from 2024-03-01."""
    since = coverage.debt(JOB, Lake(lake.spark, lake.settings)).since
    return None if since is None else (since - FIRST).days


def test_a_day_that_is_run_by_itself_hides_no_day_before_it(changing: Lake) -> None:
    run_job(JOB, window(2, 2), changing.spark, changing.settings)
    assert owed(changing) == 0
    assert night(changing, 3).window == window(0, 3)
    assert owed(changing) == 4
    run_job(JOB, window(9, 9), changing.spark, changing.settings)
    assert owed(changing) == 4


def test_what_arrives_after_its_day_was_done_is_owed_and_what_a_merge_only_copied_is_not(
    changing: Lake, watches_of: Any
) -> None:
    night(changing, 3)
    changing.merge("silver.watches", watches_of(("eve", "cats", 5)))
    assert owed(changing) == 4
    changing.merge("silver.watches", watches_of(("eve", "cats", 3)))  # the rest of a day whose night ran at noon
    assert owed(changing) == 3
    changing.merge("silver.watches", watches_of(("ann", "cats", 0, {"is_liked": True})))
    assert owed(changing) == 0
    # A night that goes less far leaves the days after it owed.
    assert night(changing, 1).window == window(0, 1)
    assert owed(changing) == 0
    assert night(changing, 5).window == window(0, 5)
    assert owed(changing) == 6
    assert night(changing, 4).window == window(4, 4)
    assert owed(changing) == 6


def test_a_video_that_changes_is_owed_from_its_first_watch_on(changing: Lake) -> None:
    night(changing, 3)
    videos = changing.read("silver.videos")
    changing.merge("silver.videos", videos)
    assert owed(changing) == 4
    dogs = videos.where("video_id = 'dogs'")
    changing.merge("silver.videos", dogs.withColumn("hashtags", F.array(F.lit("pets"), F.lit("dogs"))))
    assert owed(changing) == 2
    changing.merge("silver.videos", dogs.withColumn("video_id", F.lit("nobody watched it")))
    assert owed(changing) == 2


def delete(lake: Lake, table: str) -> None:
    folder = lake.settings.lake.joinpath(*table.split("."))
    folder.rename(folder.with_suffix(".deleted"))


def replaced(lake: Lake, table: str) -> None:
    rows = lake.read(table).localCheckpoint()
    delete(lake, table)
    Lake(lake.spark, lake.settings).merge(table, rows)


def without_old_files(lake: Lake, watches: Any) -> None:
    lake.merge("silver.watches", watches)
    table = lake.tables.open("silver.watches")
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


def test_a_watch_that_is_marked_later_makes_its_day_again_and_counts_no_more(changing: Lake, watches_of: Any) -> None:
    night(changing, 3)
    changing.merge("silver.watches", watches_of(("ann", "cats", 0, {"marks": ["too_fast"]})))
    assert owed(changing) == 0
    hashtags.run(Lake(changing.spark, changing.settings), window(0, 3))
    rows = Lake(changing.spark, changing.settings).read("gold.hashtag_daily").orderBy("event_date").collect()
    assert [((row.event_date - FIRST).days, row.views_7d) for row in rows] == [(2, 2)]


@pytest.mark.parametrize(
    "loses",
    [
        lambda lake, _: delete(lake, "gold.hashtag_daily"),
        lambda lake, _: lake.tables.open("gold.hashtag_daily").restore(0),
        lambda lake, _: replaced(lake, "silver.watches"),
        without_old_files,
    ],
    ids=["deleted", "rolled back", "input replaced", "input cleaned up"],
)
def test_tables_that_lost_their_past_are_owed_from_the_first_row_of_the_input(
    changing: Lake, watches_of: Any, loses: Callable[[Lake, Any], None]
) -> None:
    night(changing, 3)
    assert owed(changing) == 4
    loses(changing, watches_of(("eve", "cats", 3), ("ann", "dogs", 2)))
    assert owed(changing) == 0


def test_rows_made_by_another_contract_or_formula_are_owed_again(changing: Lake) -> None:
    night(changing, 3)
    record = changing.tables.open(coverage.COVERAGE)
    ((contract, _),) = record.to_pyarrow_table()["made_by"].to_pylist()
    assert contract == "gold.hashtag_daily@1.1"
    assert owed(changing) == 4
    other = coverage.debt(replace(JOB, formula="another"), Lake(changing.spark, changing.settings))
    assert other.since == FIRST
    record.update({"made_by": "NULL"})  # as a record from before there were any
    assert owed(changing) == 0


def test_a_repair_and_rows_that_nobody_noted_are_no_ground_to_go_on_from(changing: Lake, watches_of: Any) -> None:
    def right_until(first: int, last: int) -> datetime | None:
        return coverage.debt(JOB, Lake(changing.spark, changing.settings)).right_until(window(first, last))

    night(changing, 3)
    assert right_until(4, 4) == window(4, 4).start
    assert right_until(2, 3) is None
    changing.merge("silver.watches", watches_of(("eve", "cats", 2)))
    assert right_until(2, 4) == window(2, 2).start
    # As a run leaves them that is killed before it notes how far it came.
    changing.merge("gold.hashtag_daily", changing.read("gold.hashtag_daily"))
    assert right_until(2, 4) is None


def test_rows_from_before_the_first_watch_that_is_left_are_owed_too(changing: Lake) -> None:
    night(changing, 3)
    changing.tables.open("silver.watches").delete("started_at < '2024-03-02'")
    without = changing.read("silver.watches").where("started_at >= '2024-03-02'").localCheckpoint()
    delete(changing, "silver.watches")
    Lake(changing.spark, changing.settings).merge("silver.watches", without)
    assert owed(changing) == 0


def test_where_nobody_watched_anything_yet_a_day_is_done_and_what_comes_is_owed(lake: Lake, watches_of: Any) -> None:
    for table in JOB.reads:
        lake.create(table)
    assert (night(lake, 3).window, owed(lake)) == (window(3, 3), None)
    assert lake.version("gold.hashtag_daily") == 0
    lake.merge("silver.watches", watches_of(("ann", "cats", 1)))
    assert owed(lake) == 1


@pytest.mark.parametrize("name", [job.name for job in JOBS.values() if job.every == "day"])
def test_a_daily_job_reads_first_what_happened_and_then_what_it_looks_up_by_key(name: str) -> None:
    happened, *looked_up = map(data_contracts.load, JOBS[name].reads)
    assert happened.window_column is not None
    assert {key for table in looked_up for key in table.key} <= {column.name for column in happened.columns}
