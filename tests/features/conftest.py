"""What the tests of features share: watches made from a few words."""

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

import data_contracts
from feature_repo.definitions import views
from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.features import hashtags, users, videos
from jobs.settings import Settings
from tests.contracted import put

FIRST = date(2024, 3, 1)

MakeWatches = Callable[..., DataFrame]


@pytest.fixture(scope="session")
def watches_of(spark: SparkSession) -> MakeWatches:
    """Makes silver.watches of (user_id, video_id, day, {column: value}), the day counted from 2024-03-01."""

    def make(*said: tuple[Any, ...]) -> DataFrame:
        columns = data_contracts.load("silver.watches").columns
        rows = []
        for n, (user, video, day, *more) in enumerate(said):
            row: dict[str, Any] = {c.name: False for c in columns if c.type == "boolean"}
            row |= {
                "user_id": user,
                "video_id": video,
                "share_watched": 0.5,
                "watch_ms": 1000,
                **(more[0] if more else {}),
            }
            row["started_at"] = datetime(2024, 3, 1, 12, tzinfo=UTC) + timedelta(days=day, seconds=n)
            row["is_finished"] = row["share_watched"] >= 0.9
            row["is_skipped"] = row["share_watched"] < 0.2
            rows.append(row)
        return rows_of(spark, "silver.watches", rows)

    return make


@pytest.fixture(scope="session")
def videos_of(spark: SparkSession) -> Callable[..., DataFrame]:
    """Makes published silver.videos, which carry #pets, by their ids; each has a creator of its own."""

    def make(*ids: str) -> DataFrame:
        common: dict[str, Any] = {"title": "T", "hashtags": ["pets"], "duration_ms": 1000}
        common |= {"status": "published", "published_at": datetime(2024, 1, 1, tzinfo=UTC), "source": "api"}
        return rows_of(spark, "silver.videos", [{"video_id": v, "user_id": f"maker-{v}", **common} for v in ids])

    return make


@pytest.fixture(scope="session")
def watched(
    spark: SparkSession,
    tmp_path_factory: pytest.TempPathFactory,
    watches_of: MakeWatches,
    videos_of: Callable[..., DataFrame],
) -> Lake:
    """A lake in which ann watched cats on day 0 and dogs on day 2, and ben cats on day 2, with features up to day 3.

    For all tests: none may write to it. `changing` is a copy of it to write to.
    """
    lake = Lake(spark, Settings(home=tmp_path_factory.mktemp("watched")))
    lake.merge(
        "silver.watches", watches_of(("ann", "cats", 0), ("ann", "dogs", 2, {"share_watched": 1.0}), ("ben", "cats", 2))
    )
    lake.merge("silver.videos", videos_of("cats", "dogs"))
    jobs = (users.run, videos.run, hashtags.run)
    for run in jobs:
        run(lake, days(0, 3))
    for table in {contract.table for contract in views().values()} - {table for run in jobs for table in run.writes}:
        put(lake.settings, table)
    return lake


@pytest.fixture
def changing(watched: Lake, tmp_path: Path) -> Lake:
    """A copy of the lake of `watched` that a test may change."""
    shutil.copytree(watched.settings.lake, tmp_path / "lake")
    return Lake(watched.spark, Settings(home=tmp_path))


def days(first: int, last: int) -> Window:
    """The window of these days, both included, counted from 2024-03-01."""
    return Window.of_days(FIRST + timedelta(days=first), FIRST + timedelta(days=last))
