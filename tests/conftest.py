"""Fixtures that every room shares: one Spark session for the whole test run, and a fresh lake for each test.

Belongs here: only what several rooms use.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.lake import Lake
from jobs.settings import REPOSITORY, Settings
from jobs.spark import session


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    started = session(
        Settings(home=tmp_path_factory.mktemp("spark"), spark_memory="2g", spark_master="local[2]"), "tests"
    )
    yield started
    started.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def lake(spark: SparkSession, settings: Settings) -> Lake:
    return Lake(spark, settings)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real clips and data beside the project's root; tests that need them skip where they are absent."""
    folder = REPOSITORY.parent / "shared"
    if not folder.exists():
        pytest.skip(f"needs the real clips and data of {folder}, which is not there")
    return folder
