"""Of when the rows of a table are is read from its log, and where that is silent, nothing is taken for certain."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

import data_contracts
from data_contracts import Contract
from jobs.engine.spans import Unsaid, end, is_free, spans
from jobs.engine.window import Window

MONDAY, FRIDAY = date(2026, 1, 5), date(2026, 1, 9)


@pytest.fixture
def plays(says: Callable[..., None]) -> Contract:
    says()
    return data_contracts.load("gold.plays")


def _table(place: Path, *files: list[date | None], **configuration: str) -> DeltaTable:
    for days in files:
        rows = pa.table({"event_date": pa.array(days, pa.date32())})
        write_deltalake(place, rows, mode="append", configuration=configuration)
    return DeltaTable(place)


def test_a_day_is_taken_unless_the_files_say_of_all_rows_that_they_are_of_others(
    plays: Contract, tmp_path: Path
) -> None:
    there = _table(tmp_path / "t", [MONDAY, MONDAY, None], [FRIDAY])
    assert sorted(spans(there, plays)) == [(MONDAY, MONDAY), (FRIDAY, FRIDAY)]
    assert [is_free(there, plays, Window.of_day(MONDAY + timedelta(days=n))) for n in range(-1, 6)] == [
        True, False, True, True, True, False, True
    ]  # fmt: skip
    assert not is_free(there, plays, Window.of_days(MONDAY - timedelta(days=9), FRIDAY))
    assert spans(_table(tmp_path / "empty", []), plays) == []


@pytest.mark.parametrize(
    ("days", "configuration"),
    [([MONDAY], {"delta.dataSkippingNumIndexedCols": "0"}), ([None], {})],
    ids=["a file without statistics", "a file in which no row has a day"],
)
def test_a_log_that_does_not_say_frees_no_day(
    plays: Contract, tmp_path: Path, days: list[date | None], configuration: dict[str, str]
) -> None:
    there = _table(tmp_path / "t", days, **configuration)
    with pytest.raises(Unsaid):
        spans(there, plays)
    assert not is_free(there, plays, Window.of_day(FRIDAY))


def test_an_instant_whose_end_the_log_cut_off_takes_the_hour_that_it_may_be_in() -> None:
    assert end(datetime(2026, 1, 5, 9, 59, 59, 999_000, UTC)) == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert end(MONDAY) == datetime(2026, 1, 6, tzinfo=UTC)
