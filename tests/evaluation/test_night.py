"""A night of the gate for people: three systems, two viewers, read from tables and written as a page."""

from datetime import UTC, date, datetime
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from jobs.engine.tables import Tables
from jobs.evaluation.night import FLOOR, brought, read
from jobs.evaluation.night_page import page
from jobs.ranking.guards import RULE
from jobs.settings import Settings

DAY = date(2026, 1, 18)
MODEL = "20260118-<b>"


def verdict(system: str, kind: str, figure: float, difference: float, **more: Any) -> dict[str, Any]:
    ends = {"ndcg_at_10_low": figure - 0.02, "ndcg_at_10_high": figure + 0.02}
    paired = {"difference_low": difference - 0.01, "difference_high": difference + 0.01}
    row = {"event_date": DAY, "system": system, "kind": kind, "ndcg_at_10": figure, "difference": difference}
    row |= {"is_serving": False, "is_judged": True, "why": f"why {system}", "coverage": 0.5, "new_share": 0.1}
    row |= {"small_share": 0.2, "calibration": None, "scoring_steps": 1234}
    return (
        row
        | ends
        | paired
        | {"viewers": 1200, "moments": 1300, "judged_from": datetime(2026, 1, 17, tzinfo=UTC)}
        | more
    )


def fill(settings: Settings, table: str, rows: list[dict[str, Any]]) -> None:
    deltalake.write_deltalake(Tables.of(settings).uri(table), pa.Table.from_pylist(rows))


@pytest.fixture
def judged(settings: Settings) -> Settings:
    """Item-item serves; popularity and tonight's model do not. An earlier night has another one."""
    rows = [
        verdict(FLOOR, "source", 0.10, -0.05),
        verdict("item_item_order", "source", 0.15, 0.0, is_serving=True),
        verdict(MODEL, "challenger", 0.12, -0.03),
        verdict(FLOOR, "source", 0.2, 0.0, event_date=date(2026, 1, 17), is_serving=True),
    ]
    fill(settings, "gold.verdicts", rows)
    return settings


def test_the_newest_night_is_told_best_first_with_who_won_and_by_how_much(judged: Settings) -> None:
    night = read(judged)
    assert night is not None
    assert (night.day, [one.name for one in night.systems]) == (DAY, ["item_item_order", MODEL, FLOOR])
    assert night.sentences == [
        "judged on what 1,200 viewers did since 2026-01-17, which no model was trained on",
        "item_item_order serves: why item_item_order",
        f"{MODEL}, tonight's model, does not serve: why {MODEL}",
        f"item_item_order less {FLOOR}, below which nothing is to serve: +0.0500 [+0.0400, +0.0600]",
        RULE,
    ]
    assert night.serves.guards == ["0.500", "0.100", "0.200", "", "1,234"]


def test_the_run_that_compared_is_told_with_the_versions_that_it_read(judged: Settings) -> None:
    end = datetime(2026, 1, 19, tzinfo=UTC)
    runs = [
        {"run_id": run_id, "job": job, "status": "succeeded", "window_end": end, "started_at": started_at,
         "reads": [{"table": "gold.examples", "version": version}]}
        for run_id, job, started_at, version in [
            ("first", "ranking.train", datetime(2026, 1, 19, 1, tzinfo=UTC), 3),
            ("again", "ranking.train", datetime(2026, 1, 19, 2, tzinfo=UTC), 4),
            ("other", "feeds.build", datetime(2026, 1, 19, 3, tzinfo=UTC), 5),
        ]
    ]  # fmt: skip
    fill(judged, "ops.job_runs", runs)
    night = read(judged)
    assert night is not None
    assert night.sentences[-1] == "compared by the run again, from gold.examples version 4"


def test_another_night_can_be_asked_for_and_one_without_a_comparison_is_none(judged: Settings) -> None:
    earlier = read(judged, date(2026, 1, 17))
    assert earlier is not None and earlier.serves.name == FLOOR
    assert read(judged, date(2026, 1, 16)) is None


def test_before_the_first_night_there_is_nothing_to_read(settings: Settings) -> None:
    assert read(settings) is None and brought(settings, DAY) == []


def test_what_a_source_brought_is_counted_over_the_first_slots(judged: Settings) -> None:
    slots = [("ann", 0, "a"), ("ann", 1, "b"), ("ben", 0, "a"), ("ben", 1, "c"), ("ann", 10, "far")]
    proposals = [
        ("ann", "a", "item_item"), ("ann", "a", "popular"), ("ann", "b", "item_item"), ("ann", "far", "fresh"),
        ("ben", "a", "popular"), ("ben", "c", "popular"), ("ben", "unshown", "item_item"),
    ]  # fmt: skip
    fill(judged, "gold.feeds", [{"event_date": DAY, "user_id": u, "position": p, "video_id": v} for u, p, v in slots])
    rows = [{"event_date": DAY, "user_id": u, "video_id": v, "source": s, "rank": 1} for u, v, s in proposals]
    fill(judged, "gold.candidates", rows)
    found = {one.source: one for one in brought(judged, DAY)}
    assert {name: (one.proposed, one.alone) for name, one in found.items()} == {
        "item_item": (0.5, 0.25),
        "popular": (0.75, 0.5),
        "fresh": (0.0, 0.0),
        "popularity": (0.0, 0.0),
    }
    assert found["item_item"].shared["popular"] == pytest.approx(1 / 3)
    assert found["popular"].shared["item_item"] == pytest.approx(1 / 3)


def test_the_page_stands_alone_and_shows_every_system(judged: Settings) -> None:
    night = read(judged)
    assert night is not None
    text = page(night, brought(judged, DAY))
    assert text.count("<svg") == 5 and "http" not in text and "<script" not in text
    assert all(name in text for name in ("item_item_order", FLOOR, "20260118-&lt;b&gt;"))
    assert MODEL not in text
