"""The lake as the files of an evaluation: watches cut in time, at one instant for everybody.

Belongs here: where to cut, what is a positive, which viewers are taken, and the files. What becomes of the files:
protocol.py, which opens the test file last, as any other. What the gate judges every night: jobs/ranking/judge.py.

A pair counts when it is first watched, as in the night. It is positive by the night's grade (jobs/ranking/moments.py),
as its part of time knew it: nothing that a viewer did after a cut says anything before it. Its rating is the share that
was watched. What was watched and is not positive, and what was refused, is in no list from then on and teaches nothing.
A video that came out after the second cut can be in no list, so pairs with it do not judge.

All of a viewer's watches are taken or none. One process learns, so of a large lake a part of the viewers is drawn by a
hash of their ids; Spark cuts, draws and writes, and none of the rows pass through the driver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.lake import Lake
from jobs.errors import ReelmillError
from jobs.evaluation.catalogue import CREATOR, GIVEN, HASHTAGS, PUBLISHED, VIDEO
from jobs.evaluation.data import Files
from jobs.evaluation.files import RATING, TIME, USER
from jobs.events.marks import unmarked
from jobs.events.watches import known_by
from jobs.features.hashtags import dated_hashtags
from jobs.media.status import Status, published
from jobs.ranking.moments import grade
from jobs.ranking.refused import never_again
from jobs.ranking.watched import first_watches

WATCHES, VIDEOS, EVENTS = "silver.watches", "silver.videos", "bronze.events"
DAY = timedelta(days=1)
# The test is of the newest days that have a tenth of all watches, and the validation of as much before them.
PART = 0.1
# Watches that one evaluation takes: one process learns from them (bench/ranking.py has its seconds and memory by size).
MOST = 1_000_000
SHARES = 1_000_000
PAIR = [USER, VIDEO]


class TooShort(ReelmillError):
    """The lake's watches do not reach over days enough to be cut twice."""


class Day(NamedTuple):
    """A day (UTC) with watches."""

    start: datetime
    watches: int


@dataclass(frozen=True)
class Cut:
    """Training is before `valid`, validation `[valid, test)`, and the test `[test, end)`."""

    valid: datetime
    test: datetime
    end: datetime


@dataclass(frozen=True)
class Parts:
    """Pairs (user_id, video_id, timestamp, rating) of each part, what no list may hold, and the catalogue."""

    train: DataFrame
    valid: DataFrame
    test: DataFrame
    refused: DataFrame
    catalogue: DataFrame


@dataclass(frozen=True)
class Taken:
    """The files, and in words what was taken from where."""

    files: Files
    test: Path
    origin: tuple[str, ...]


def take(lake: Lake, folder: Path, test_days: int | None = None, most: int = MOST) -> Taken:
    """Write the lake's watches into a folder as the files of an evaluation. Raises TooShort and TableMissing."""
    every, videos = lake.read(WATCHES), lake.read(VIDEOS)
    watches = unmarked(every)
    days = days_of(watches)
    found = cut(days, test_days)
    count = sum(day.watches for day in days)
    some = drawn(watches, count, most)
    refused = (
        never_again(lake.read(EVENTS, until=found.test), known_by(every, found.test)) if lake.exists(EVENTS) else None
    )
    made = parts(some, videos, refused, found)
    paths = {name: _written(getattr(made, name), folder / name) for name in Parts.__dataclass_fields__}
    files = Files(paths["train"], paths["valid"], catalogue=paths["catalogue"], refused=paths["refused"])
    who = "all viewers" if count <= most else f"about one viewer in {count / most:.3g}, by a hash of their ids"
    return Taken(
        files,
        paths["test"],
        (
            f"{WATCHES} version {lake.read_versions[WATCHES]}: {count:,} watches, of {who}",
            f"training before {found.valid:%Y-%m-%d}, validation before {found.test:%Y-%m-%d}, test before "
            f"{found.end:%Y-%m-%d} (UTC)",
            "a positive is a pair that is first watched then, not skipped or refused; its share watched weighs it",
        ),
    )


def days_of(watches: DataFrame) -> list[Day]:
    """The days with watches, the oldest first."""
    day = F.unix_timestamp(F.date_trunc("day", "started_at")).alias("day")
    rows = watches.groupBy(day).agg(F.count(F.lit(1)).alias("watches")).orderBy("day").collect()
    return [Day(datetime.fromtimestamp(row["day"], UTC), row["watches"]) for row in rows]


def cut(days: Sequence[Day], test_days: int | None = None) -> Cut:
    """Where to cut: the test is of the fewest newest days that have PART of the watches, validation the same before.

    With `test_days` they are so many days each, with watches or without. Raises TooShort when nothing is left to train.
    """
    if not days:
        raise TooShort(f"{WATCHES} is empty, so there is nothing to evaluate.")
    end = days[-1].start + DAY
    if test_days:
        test = end - test_days * DAY
        valid = test - test_days * DAY
    else:
        test = _begin(days)
        valid = _begin([day for day in days if day.start < test])
    if days[0].start >= valid or not any(valid <= day.start < test for day in days):
        raise TooShort(
            f"The watches of {days[0].start:%Y-%m-%d} to {days[-1].start:%Y-%m-%d} cannot be cut into training, "
            "validation and test by whole days. Fewer --test-days may help, or more days of watches."
        )
    return Cut(valid, test, end)


def drawn(watches: DataFrame, count: int, most: int) -> DataFrame:
    """The watches of the viewers that a hash draws: all of them, or of `count` about `most`."""
    if count <= most:
        return watches
    return watches.where(F.pmod(F.xxhash64("user_id"), F.lit(SHARES)) < most * SHARES // count)


def parts(watches: DataFrame, videos: DataFrame, refused: DataFrame | None, at: Cut) -> Parts:
    """silver.watches, silver.videos and refusals, cut."""
    before = _graded(watches, at.test)
    train = _positives(_graded(watches, at.valid))
    valid = _positives(before.where(F.col("at") >= F.lit(at.valid)))
    there = published(videos).where(F.col("published_at") < F.lit(at.test))
    test = _positives(_graded(watches, at.end).where(F.col("at") >= F.lit(at.test)))
    no = before.select(*PAIR, "at")
    for positive in (train, valid):
        no = no.join(positive, on=PAIR, how="left_anti")
    if refused is not None:
        no = no.unionByName(refused.join(watches.select(USER).distinct(), on=USER, how="left_semi"))
    return Parts(
        train=train,
        valid=valid,
        test=test.join(there, on=VIDEO, how="left_semi").select(*PAIR, TIME, RATING),
        refused=no.groupBy(*PAIR).agg(F.min(F.unix_micros("at")).alias(TIME)),
        catalogue=videos.where(F.col("published_at") < F.lit(at.test)).select(
            VIDEO,
            F.col("user_id").alias(CREATOR),
            F.when(F.col("status") == Status.PUBLISHED, F.unix_micros("published_at")).alias(PUBLISHED),
            F.transform(dated_hashtags(), lambda tag: tag["hashtag"]).alias(HASHTAGS),
            F.transform(dated_hashtags(), lambda tag: F.unix_micros(tag["given_at"])).alias(GIVEN),
        ),
    )


def _graded(watches: DataFrame, until: datetime) -> DataFrame:
    """The first watches before an instant, with the best grade that their pairs had by then."""
    known = known_by(watches, until)
    best = known.groupBy(*PAIR).agg(F.max(grade()).alias("label"))
    return first_watches(known).join(best, on=PAIR, how="inner").select(*PAIR, "at", "share", "label")


def _positives(graded: DataFrame) -> DataFrame:
    return graded.where("label > 0").select(*PAIR, F.unix_micros("at").alias(TIME), F.col("share").alias(RATING))


def _begin(days: Sequence[Day]) -> datetime:
    """The start of the fewest newest days that have PART of the watches of all."""
    total, so_far = sum(day.watches for day in days), 0
    for day in reversed(days):
        so_far += day.watches
        if so_far >= PART * total:
            return day.start
    raise TooShort(f"All watches of {WATCHES} are of the days that judge.")


def _written(frame: DataFrame, folder: Path) -> Path:
    """The frame as one Parquet file, written by one task of Spark."""
    frame.coalesce(1).write.parquet(f"file://{folder}")
    (path,) = folder.glob("part-*.parquet")
    return path
