"""The contract of a table of plays, for the tests of this room."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data_contracts import contract as loader

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
