"""A job that does nothing and a run of it, to see what the runner records; and the contract of a table of plays."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from data_contracts import contract as loader
from jobs.engine.job import Job, Window
from jobs.engine.lake import Lake
from jobs.engine.runner import JobRun, run_job
from jobs.settings import Settings

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: gold.plays
name: plays
version: 1.0.0
status: active
description: {purpose: Test., usage: Test.}
schema:
  - name: plays
    description: It's a table of plays.
    dataGranularityDescription: one play
    customProperties: [{property: windowColumn, value: event_date}]
    properties:
      - name: user_id
        physicalType: string
        primaryKey: true
        primaryKeyPosition: 1
        required: true
        classification: personal
        description: Who.
      - name: event_date
        physicalType: date
        primaryKey: true
        primaryKeyPosition: 2
        required: true
        classification: internal
        description: The day.
      - name: watch_ms
        physicalType: bigint
        classification: internal
        description: Time on screen.
        customProperties: [{property: unit, value: ms}]
        quality: [{name: not_negative, type: custom, engine: rowRule, implementation: watch_ms >= 0}]
    quality:
      - name: at_most_three
        type: custom
        engine: greatExpectations
        implementation: {type: expect_table_row_count_to_be_between, kwargs: {max_value: 3}}
slaProperties: [{property: freshness, value: 1, unit: d}, {property: retention, value: 9, unit: d}]
"""


@pytest.fixture
def noop() -> Job:
    def nothing(lake: Lake, window: Window) -> None:
        assert lake.job == "sim.noop" and window

    return Job("sim.noop", "day", (), (), nothing, "Does nothing.")


@pytest.fixture
def recorded_run(noop: Job, spark: SparkSession, settings: Settings) -> JobRun:
    return run_job(noop, Window.of_day(date(2026, 1, 5)), spark, settings)


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Puts CONTRACT in force, with these replacements in its text, beside that of quarantine."""
    contracts = tmp_path / "contracts"
    for folder in ("gold", "quarantine"):
        (contracts / folder).mkdir(parents=True)
    rows = Path("quarantine", "rows.odcs.yaml")
    (contracts / rows).write_text((loader.ROOT / rows).read_text())
    monkeypatch.setattr(loader, "ROOT", contracts)

    def put(*changes: tuple[str, str]) -> None:
        text = CONTRACT
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (contracts / "gold" / "plays.odcs.yaml").write_text(text)
        loader.load.cache_clear()

    yield put
    loader.load.cache_clear()
