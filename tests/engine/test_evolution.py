"""A table follows the versions of its contract: compatible changes are made to it, others refused before a write."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from jobs.engine.evolution import ContractChanged
from jobs.engine.frames import frame_of
from jobs.engine.lake import Lake

DAY = date(2026, 1, 5)
COLUMN = "      - {name: liked_at, physicalType: timestamp, classification: personal, description: When liked.}\n"
AFTER_COLUMNS = "    quality:\n"
LIKED = (AFTER_COLUMNS, COLUMN + AFTER_COLUMNS)
REQUIRED = (AFTER_COLUMNS, COLUMN.replace("classi", "required: true, classi") + AFTER_COLUMNS)
NO_KEY = ("        primaryKey: true\n        primaryKeyPosition: 1\n", "")
VERIFY = "spark.databricks.delta.incremental.commit.verify"
SECOND = ("version: 1.0.0", "version: 1.1.0")


def _play(lake: Lake, watch_ms: int, **more: object) -> None:
    columns = "user_id string, event_date date, watch_ms bigint" + "".join(f", {name} timestamp" for name in more)
    frame = frame_of(lake.spark, columns, [(f"user{watch_ms}", DAY, watch_ms, *more.values())])
    Lake(lake.spark, lake.settings).merge("gold.plays", frame)


def test_a_column_that_a_contract_gains_is_in_the_table_before_the_first_write(
    lake: Lake, says: Callable[..., None]
) -> None:
    says()
    _play(lake, 1)
    says(SECOND, LIKED, ("watch_ms >= 0", "watch_ms BETWEEN 0 AND 9"))
    _play(lake, 2, liked_at=lake.spark.sql("SELECT now()").collect()[0][0])
    rows = lake.read("gold.plays").orderBy("watch_ms").collect()
    assert rows[0].liked_at is None and rows[1].liked_at is not None
    stored = lake.tables.open("gold.plays").metadata().configuration
    assert stored["reelmill.contract"] == "gold.plays@1.1.0"
    # The table holds other writers to the new rule, and to it alone.
    with pytest.raises(Exception, match="DELTA_VIOLATE_CONSTRAINT"):
        lake.spark.sql(f"INSERT INTO delta.`{lake.tables.uri('gold.plays')}` VALUES ('x', DATE'2026-01-05', 10, NULL)")
    assert [k for k in stored if k.startswith("delta.constraints.")] == ["delta.constraints.not_negative"]
    version = lake.version("gold.plays")
    lake.create("gold.plays")
    assert lake.version("gold.plays") == version


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ([("physicalType: bigint", "physicalType: int")], "watch_ms is bigint, not int"),
        ([("name: watch_ms", "name: screen_ms"), ("watch_ms >= 0", "1 = 1")], "watch_ms is not in the contract"),
        ([REQUIRED], "which is required"),
        ([NO_KEY], "its key is user_id, event_date, not event_date"),
        ([("version: 1.1.0", "version: 0.9.0")], "written by a newer Reelmill"),
        ([("version: 1.1.0", "version: 1.0.0"), LIKED], "without a new version"),
        ([("watch_ms >= 0", "watch_ms > 5"), LIKED], "rows, 1 break not_negative"),
    ],
)  # fmt: skip
def test_a_change_that_the_rows_do_not_keep_is_refused_before_anything_is_written(
    lake: Lake, says: Callable[..., None], changes: list[tuple[str, str]], complaint: str
) -> None:
    says()
    _play(lake, 1)
    says(SECOND, *changes)
    with pytest.raises(ContractChanged, match=complaint):
        lake.create("gold.plays")
    says()
    _play(lake, 1)
    assert lake.read("gold.plays").count() == 1


def test_a_column_that_a_contract_gained_is_null_until_its_writer_has_run(
    lake: Lake, says: Callable[..., None]
) -> None:
    says()
    _play(lake, 1)
    says(SECOND, LIKED)
    assert lake.read("gold.plays").where("liked_at IS NULL").count() == 1


def test_a_new_table_has_the_checksum_that_spark_goes_on_from(lake: Lake, says: Callable[..., None]) -> None:
    says()
    lake.create("gold.plays")
    log = Path(lake.tables.uri("gold.plays").removeprefix("file://"), "_delta_log")
    made = json.loads((log / f"{0:020}.crc").read_text())
    # It then compares what it goes on from with all of the log, before and after the commit.
    lake.spark.conf.set(VERIFY, "true")
    try:
        _play(lake, 1)
    finally:
        lake.spark.conf.unset(VERIFY)
    after = json.loads((log / f"{1:020}.crc").read_text())
    assert (made["numFiles"], after["numFiles"]) == (0, 1)
    assert {name: after["metadata"].get(name) for name in ("id", "schemaString", "configuration")} == {
        name: made["metadata"][name] for name in ("id", "schemaString", "configuration")
    }
    assert after["protocol"] == made["protocol"] == {"minReaderVersion": 1, "minWriterVersion": 3}
