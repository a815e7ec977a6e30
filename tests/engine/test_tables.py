"""A table has one address, which Spark and delta-rs both understand."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from jobs.engine.frames import frame_of
from jobs.engine.lake import Lake
from jobs.engine.tables import Tables
from jobs.settings import Settings


def test_an_address_is_made_of_the_root_and_the_name() -> None:
    tables = Tables("s3://bucket/lake")
    assert tables.uri("gold.feeds") == "s3://bucket/lake/gold/feeds"
    assert tables.uri("quarantine.silver.watches") == "s3://bucket/lake/quarantine/silver.watches"


def test_a_home_may_have_a_space_and_an_accent_in_its_name(
    spark: SparkSession, tmp_path: Path, says: Callable[..., None]
) -> None:
    says()
    settings = Settings(home=tmp_path / "chez Zoé")
    tables = Tables.of(settings)
    frame = frame_of(
        spark,
        "user_id string, event_date date, watch_ms bigint",
        [("ann", date(2026, 1, 5), 1), ("bob", date(2026, 1, 5), -1)],
    )
    Lake(spark, settings).merge("gold.plays", frame)
    assert list(tables.names()) == ["gold.plays", "quarantine.gold.plays"]
    assert tables.open("gold.plays").to_pyarrow_table()["user_id"].to_pylist() == ["ann"]
    assert Lake(spark, settings).read("gold.plays").count() == 1
    assert (settings.lake / "gold" / "plays" / "_delta_log").is_dir()


def test_a_table_that_was_not_created_has_no_version_and_is_not_listed(settings: Settings) -> None:
    tables = Tables.of(settings)
    (settings.lake / "gold" / "feeds" / "_delta_log").mkdir(parents=True)
    assert (tables.version("gold.feeds"), list(tables.names())) == (-1, [])


@pytest.mark.parametrize("missing", [True, False])
def test_a_file_that_the_log_names_and_nobody_finds_is_gone(
    lake: Lake, says: Callable[..., None], missing: bool
) -> None:
    says()
    frame = frame_of(lake.spark, "user_id string, event_date date, watch_ms bigint", [("ann", date(2026, 1, 5), 1)])
    lake.merge("gold.plays", frame)
    files = pa.table(lake.tables.open("gold.plays").get_add_actions())["path"].to_pylist()
    if missing:
        (lake.settings.lake / "gold" / "plays" / files[0]).unlink()
    assert lake.tables.gone("gold.plays", files) is missing
