"""What serves: the newest verdict of the gate or decision of a person, whichever came later."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from jobs.engine.lake import Lake
from jobs.engine.tables import Tables
from jobs.ranking.serving import PROMOTIONS, VERDICTS, NothingServed, before_now, promote, serving, turns_of

DAY = date(2024, 3, 20)


def night(n: int) -> date:
    return DAY + timedelta(days=n)


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., Tables]:
    """Tables that hold the verdicts (night, system, whether it was judged) and the decisions (night, system)."""

    def write(verdicts: list[tuple[int, str, bool]], decisions: list[tuple[int, str]] = []) -> Tables:  # noqa: B006
        tables = Tables(f"file://{tmp_path}")
        rows: dict[str, list[dict[str, Any]]] = {
            VERDICTS: [
                {
                    "event_date": night(n),
                    "system": system,
                    "is_judged": judged,
                    "is_serving": serves,
                    "why": "",
                    "watches": n,
                }
                for n, system, judged in verdicts
                for serves in (True, False)
            ],
            PROMOTIONS: [
                {
                    "event_date": night(n),
                    "system": system,
                    "decided_at": datetime(2024, 5, place + 1, tzinfo=UTC),
                    "why": "",
                }
                for place, (n, system) in enumerate(decisions)
            ],
        }
        for table, told in rows.items():
            if told:
                deltalake.write_deltalake(tables.uri(table), pa.Table.from_pylist(told))
        return tables

    return write


def systems(tables: Tables) -> list[str]:
    return [turn.system for turn in turns_of(tables)]


def test_a_night_without_a_verdict_changes_nothing(told: Callable[..., Tables]) -> None:
    assert systems(told([(0, "first", True), (1, "other", False)])) == ["first"]


def test_a_decision_counts_after_the_verdict_of_its_night_and_before_that_of_the_next(
    told: Callable[..., Tables],
) -> None:
    tables = told([(0, "first", True), (2, "second", True)], [(0, "mine"), (0, "ours")])
    assert systems(tables) == ["first", "mine", "ours", "second"]
    assert [turn.is_by_a_person for turn in turns_of(tables)] == [False, True, True, False]


def test_going_back_finds_what_served_before_the_present_one_began(told: Callable[..., Tables]) -> None:
    tables = told([(0, "first", True), (1, "second", True), (2, "second", True)])
    assert (before_now(tables).system, before_now(tables).event_date) == ("first", DAY)


def test_where_nothing_else_ever_served_there_is_nothing_to_go_back_to(told: Callable[..., Tables]) -> None:
    with pytest.raises(NothingServed, match="nothing to go back to"):
        before_now(told([(0, "first", True), (1, "first", True)]))


def test_what_a_person_promotes_serves_from_that_night_on(lake: Lake) -> None:
    assert serving(lake, night(2)) is None
    promote(lake, "popular_order", night(1), "the ranker looks odd")
    after, before = serving(lake, night(2)), serving(lake, night(1))
    assert after is not None and (after.system.version, after.watches) == ("popular_order", None)
    assert before is None


def test_what_does_not_exist_is_not_promoted(lake: Lake) -> None:
    with pytest.raises(NothingServed, match="no model 20240101-0"):
        promote(lake, "20240101-0", DAY, "a slip")
