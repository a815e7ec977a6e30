"""Tables stay as large as what they hold, and everything can be read as it was for a week."""

import json
import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from data_contracts import load
from jobs.engine import upkeep
from jobs.engine.commits import Commit
from jobs.engine.job import Job
from jobs.engine.tables import Tables
from jobs.engine.upkeep import LOOSE_FILES, VERSIONS_KEPT, Tended, tend, tend_own
from jobs.pipeline import JOBS
from jobs.settings import Settings
from tests.contracted import put

SIMILAR = "gold.similar_videos"
NIGHT = date(2020, 3, 1)
A_WEEK_AGO = time.time() - VERSIONS_KEPT.total_seconds() - 60


def night(settings: Settings, day: date, *videos: str) -> None:
    put(settings, SIMILAR, *[{"event_date": day, "video_id": video, "neighbour_id": "n"} for video in videos])


def nights(settings: Settings, table: str = SIMILAR) -> list[date]:
    found = Tables.of(settings).open(table).to_pyarrow_table()
    return sorted(found.column("event_date").to_pylist())


def folder(settings: Settings, table: str = SIMILAR) -> Path:
    return Path(Tables.of(settings).uri(table).removeprefix("file://"))


def commits(*versions: int, table: str = SIMILAR) -> list[Commit]:
    return [Commit(table, version, 1, 0, 1) for version in versions]


def job(every: str) -> Job:
    return next(job for job in JOBS.values() if job.every == every)


def test_rows_go_when_they_are_older_than_the_newest_by_more_than_their_retention(settings: Settings) -> None:
    for day in (NIGHT, NIGHT + timedelta(days=1), NIGHT + timedelta(days=8)):
        night(settings, day, "v")
    assert load(SIMILAR).retention == "7 d"
    assert tend(SIMILAR, settings).rows == 1
    assert nights(settings) == [NIGHT + timedelta(days=1), NIGHT + timedelta(days=8)]


def test_rows_with_a_time_go_to_the_second(settings: Settings) -> None:
    for video, at in (("old", "2020-01-01T09:00Z"), ("kept", "2020-01-01T10:00Z"), ("new", "2020-03-04T10:00Z")):
        put(settings, "gold.video_hourly", {"video_id": video, "hour_start": at})
    assert load("gold.video_hourly").retention == "63 d"
    assert tend("gold.video_hourly", settings).rows == 1
    left = Tables.of(settings).open("gold.video_hourly").to_pyarrow_table().column("video_id").to_pylist()
    assert sorted(left) == ["kept", "new"]


def test_a_home_whose_data_ended_years_ago_keeps_it(settings: Settings) -> None:
    night(settings, NIGHT, "v")
    assert tend(SIMILAR, settings).rows == 0
    assert nights(settings) == [NIGHT]


def test_what_a_feature_was_ever_is_kept(settings: Settings) -> None:
    put(settings, "gold.user_daily", {"user_id": "ann", "event_date": date(2010, 1, 1)})
    put(settings, "gold.user_daily", {"user_id": "ben", "event_date": NIGHT})
    assert tend("gold.user_daily", settings).rows == 0
    assert nights(settings, "gold.user_daily") == [date(2010, 1, 1), NIGHT]


def test_many_loose_files_become_one_and_few_stay(settings: Settings) -> None:
    for number in range(LOOSE_FILES):
        night(settings, NIGHT, f"v{number:02}")
        if number == LOOSE_FILES - 2:
            assert tend(SIMILAR, settings).files == LOOSE_FILES - 1
    done = tend(SIMILAR, settings)
    assert (done.files, done.loose) == (1, LOOSE_FILES)
    kept = Tables.of(settings).open(SIMILAR).to_pyarrow_table().column("video_id").to_pylist()
    assert sorted(kept) == [f"v{number:02}" for number in range(LOOSE_FILES)]


def test_as_it_was_a_table_can_be_read_for_a_week(settings: Settings) -> None:
    for number in range(LOOSE_FILES):
        night(settings, NIGHT, f"v{number}")
    before = Tables.of(settings).open(SIMILAR).version()
    tend(SIMILAR, settings)
    assert tend(SIMILAR, settings).removed == 0
    assert Tables.of(settings).open(SIMILAR, before).to_pyarrow_table().num_rows == LOOSE_FILES


def test_files_that_were_replaced_a_week_ago_and_what_a_killed_run_left_are_removed(settings: Settings) -> None:
    for number in range(LOOSE_FILES):
        night(settings, NIGHT, f"v{number}")
    tend(SIMILAR, settings)
    for commit in (folder(settings) / "_delta_log").glob("*.json"):
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        for action in actions:
            if "remove" in action:
                action["remove"]["deletionTimestamp"] = int(A_WEEK_AGO * 1000)
        commit.write_text("\n".join(map(json.dumps, actions)))
    left, unfinished = folder(settings) / "part-left.parquet", folder(settings) / "part-unfinished.parquet"
    for file in (left, unfinished):
        file.write_bytes(b"rows")
    os.utime(left, (A_WEEK_AGO, A_WEEK_AGO))
    assert tend(SIMILAR, settings).removed == LOOSE_FILES + 1
    assert (left.exists(), unfinished.exists()) == (False, True)
    assert len(nights(settings)) == LOOSE_FILES


def test_nothing_is_removed_that_a_stream_has_yet_to_read(settings: Settings) -> None:
    put(settings, "bronze.events", {"event_id": "1"})
    record = settings.checkpoints / "events.watches" / "tables.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps([{"table": "bronze.events", "version": 0, "committed_at": "2020-01-01T00:00:00"}]))
    opened = Tables.of(settings).open("bronze.events")
    later = time.time() + VERSIONS_KEPT.total_seconds() + 60

    def tended() -> str | None:
        return tend("bronze.events", settings, now=datetime.fromtimestamp(later, UTC)).left

    assert (opened.version(), tended()) == (0, None)
    put(settings, "bronze.events", {"event_id": "2"})
    assert tended() == "events.watches has not read what is new in bronze.events for 7 days"
    assert tend("bronze.events", settings).left is None


def test_a_job_tends_its_tables_once_in_so_many_versions(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    tended: list[str] = []

    def note(table: str, _: Settings) -> Tended:
        tended.append(table)
        return Tended(table)

    monkeypatch.setattr(upkeep, "tend", note)
    for version in range(100, 100 + 10 * upkeep.EVERY["night"]):
        tend_own(job("night"), commits(version, table="gold.models"), settings)
    assert tended.count("gold.models") == 10 * 2
    assert tended.count("gold.models") == tended.count("quarantine.gold.models")


def test_what_expires_goes_in_the_very_run_that_makes_it_too_old(settings: Settings) -> None:
    night(settings, NIGHT, "v")
    night(settings, NIGHT + timedelta(days=8), "v")
    (done,) = tend_own(job("night"), commits(12), settings)
    assert (done.rows, nights(settings)) == (1, [NIGHT + timedelta(days=8)])
