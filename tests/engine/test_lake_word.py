"""A job's lake holds it to its word, and every commit says whose run it was."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.engine.commits import USER_METADATA
from jobs.engine.frames import frame_of
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.engine.word import NotDeclared
from jobs.pipeline import in_order
from jobs.settings import Settings

PLAYS = "gold.plays"
MONDAY = date(2026, 1, 5)
DAY = Window.of_day(MONDAY)
ANN, BROKEN = ("ann", MONDAY, 1), ("bob", MONDAY, -1)


@pytest.fixture(autouse=True)
def plays_contract(says: Callable[..., None]) -> None:
    says()


@pytest.fixture
def reader(spark: SparkSession, settings: Settings, noop: Job) -> Lake:
    return Lake(spark, settings, job=replace(noop, reads=(PLAYS,)))


@pytest.fixture
def writer(spark: SparkSession, settings: Settings, noop: Job) -> Lake:
    return Lake(spark, settings, job=replace(noop, writes=(PLAYS,)))


def plays(spark: SparkSession, *rows: tuple[str, date, int]) -> DataFrame:
    return frame_of(spark, "user_id string, event_date date, watch_ms bigint", rows)


@pytest.mark.parametrize(
    "reads",
    [
        lambda lake: lake.read(PLAYS),
        lambda lake: lake.of(PLAYS, DAY),
        lambda lake: lake.newest(PLAYS, by=["user_id"]),
        lambda lake: lake.stream(PLAYS),
        lambda lake: lake.pin(PLAYS),
    ],
)
def test_a_job_reads_what_it_declared_and_nothing_else(
    lake: Lake, reader: Lake, writer: Lake, reads: Callable[[Lake], object]
) -> None:
    lake.merge(PLAYS, plays(lake.spark, ANN))
    reads(reader)
    reads(lake)
    line = r'The job sim.noop reads gold.plays and .*the @job of jobs/sim/noop.py: reads=\["gold.plays"\]'
    with pytest.raises(NotDeclared, match=line):
        reads(writer)


def test_what_a_job_recalls_it_may_read_and_waits_for_nobody_who_writes_it(lake: Lake, writer: Lake, noop: Job) -> None:
    lake.merge(PLAYS, plays(lake.spark, ANN))
    recalling = replace(noop, name="sim.another", recalls=(PLAYS,))
    assert Lake(lake.spark, lake.settings, job=recalling).read(PLAYS).count() == 1
    assert in_order([replace(noop, writes=(PLAYS,)), recalling])[0] is recalling


@pytest.mark.parametrize(
    "writes",
    [
        lambda lake, rows: lake.merge(PLAYS, rows),
        lambda lake, rows: lake.insert_new(PLAYS, rows),
        lambda lake, rows: lake.replace(PLAYS, rows, DAY),
        lambda lake, rows: lake.quarantine(PLAYS, rows, "a_rule"),
        lambda lake, rows: lake.release(PLAYS, rows),
    ],
)
def test_a_job_writes_what_it_declared_and_nothing_else(
    reader: Lake, writes: Callable[[Lake, DataFrame], object]
) -> None:
    with pytest.raises(NotDeclared, match=r'The job sim.noop writes gold.plays .*: writes=\["gold.plays"\]'):
        writes(reader, plays(reader.spark, ANN))
    assert list(reader.tables.names()) == []


def test_whoever_writes_a_table_may_ask_whether_it_is_there_and_what_was_set_aside_of_it(
    reader: Lake, writer: Lake, noop: Job
) -> None:
    assert not writer.exists(PLAYS) and writer.set_aside_of(PLAYS) is None
    writer.merge(PLAYS, plays(writer.spark, ANN, BROKEN))
    aside = writer.set_aside_of(PLAYS)
    assert writer.exists(PLAYS) and reader.exists(PLAYS) and aside is not None
    writer.release(PLAYS, aside.select("rejected_id").localCheckpoint())
    left = writer.set_aside_of(PLAYS)
    assert left is not None and left.isEmpty()
    with pytest.raises(NotDeclared, match="writes gold.plays"):
        reader.set_aside_of(PLAYS)
    with pytest.raises(NotDeclared, match="reads gold.plays"):
        Lake(writer.spark, writer.settings, job=noop).exists(PLAYS)


def test_every_commit_carries_the_id_of_its_run_and_the_session_none(spark: SparkSession, settings: Settings) -> None:
    lake = Lake(spark, settings, run_id="run-7")
    lake.replace(PLAYS, plays(spark, ANN, BROKEN), DAY)
    lake.merge(PLAYS, plays(spark, ("cid", MONDAY, 2)))
    aside = lake.set_aside_of(PLAYS)
    assert aside is not None
    lake.release(PLAYS, aside.select("rejected_id").localCheckpoint())
    for table, commits in ((PLAYS, 3), (f"quarantine.{PLAYS}", 3)):
        history = lake.tables.open(table).history()
        assert [commit.get("userMetadata") for commit in history] == ["run-7"] * commits, table
    assert spark.conf.get(USER_METADATA, None) is None


def test_two_runs_in_one_session_each_put_their_own_id_on_their_commits(spark: SparkSession, tmp_path: Path) -> None:
    lakes = [Lake(spark, Settings(home=tmp_path / name), run_id=name) for name in ("one", "other")]

    def write(lake: Lake) -> None:
        for n in range(4):
            lake.merge(PLAYS, plays(spark, ("ann", MONDAY, n)))

    threads = [threading.Thread(target=write, args=(lake,)) for lake in lakes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for lake in lakes:
        assert {commit["userMetadata"] for commit in lake.tables.open(PLAYS).history()} == {lake.run_id}
        assert len(lake.commits) == 4
