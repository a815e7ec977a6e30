"""The lake as files: where it is cut, and that nothing crosses a cut."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

import data_contracts
from jobs.engine.frames import frame_of, rows_of
from jobs.engine.lake import Lake
from jobs.evaluation.data import load
from jobs.evaluation.temporal import Cut, Day, TooShort, cut, drawn, parts, take
from jobs.evaluation.world import world_of
from jobs.ranking.watched import NEVER

START = datetime(2026, 1, 5, tzinfo=UTC)
CUT = Cut(START + timedelta(days=1), START + timedelta(days=2), START + timedelta(days=3))
Rows = list[dict[str, Any]]


def days(*watches: int) -> list[Day]:
    return [Day(START + timedelta(days=n), count) for n, count in enumerate(watches) if count]


def hours(*parts: datetime) -> list[float]:
    return [(part - START) / timedelta(days=1) for part in parts]


@pytest.mark.parametrize(
    ("watches", "test_days", "at"),
    [
        ((10, 10, 10, 10, 10), None, [3, 4, 5]),  # one day has more than a tenth
        ((60, 20, 5, 5, 5, 5), None, [2, 4, 6]),  # two have a tenth, and two before them one of the rest
        ((10, 10, 10, 10, 10), 2, [1, 3, 5]),
        ((50, 0, 0, 6, 0, 50), None, [3, 5, 6]),  # days without watches are no boundary
    ],
)
def test_the_test_is_of_the_newest_days_that_have_a_tenth(
    watches: Sequence[int], test_days: int | None, at: list[float]
) -> None:
    found = cut(days(*watches), test_days)
    assert hours(found.valid, found.test, found.end) == at


@pytest.mark.parametrize(("watches", "test_days"), [((), None), ((9,), None), ((9, 9), None), ((9, 9, 9), 2)])
def test_too_few_days_to_cut_are_told(watches: Sequence[int], test_days: int | None) -> None:
    with pytest.raises(TooShort):
        cut(days(*watches), test_days)


def watch(user: str, video: str, day: float, share: float = 0.5, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {c.name: False for c in data_contracts.load("silver.watches").columns if c.type == "boolean"}
    at = START + timedelta(days=day)
    row |= {"user_id": user, "video_id": video, "started_at": at, "watch_ms": 1000, "share_watched": share}
    row |= {"is_finished": share >= 0.9}
    if share < 0.2:
        row |= {"is_skipped": True, "skipped_at": at}
    return row | more


def video(name: str, day: float = -9, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"video_id": name, "user_id": f"maker of {name}", "title": name, "hashtags": ["all", name]}
    row |= {"status": "published", "published_at": START + timedelta(days=day), "source": "api"}
    return row | more


@pytest.fixture
def cut_parts(spark: SparkSession) -> Callable[..., dict[str, set[tuple[str, str]]]]:
    """The pairs of each part, by the names of viewer and video together."""

    def make(watches: Rows, videos: Rows, refused: Sequence[Any] = ()) -> dict[str, set[tuple[str, str]]]:
        no: DataFrame | None = None
        if refused:
            no = frame_of(spark, "user_id string, video_id string, at timestamp", refused)
        found = parts(rows_of(spark, "silver.watches", watches), rows_of(spark, "silver.videos", videos), no, CUT)
        return {
            name: {(row.user_id, row.video_id) for row in getattr(found, name).collect()}
            for name in ("train", "valid", "test", "refused")
        }

    return make


def test_a_pair_is_of_the_part_in_which_it_is_first_watched_and_positive_as_that_part_knew_it(
    cut_parts: Callable[..., dict[str, set[tuple[str, str]]]],
) -> None:
    late_like = {"is_liked": True, "liked_at": START + timedelta(days=1.5)}
    found = cut_parts(
        [
            watch("ann", "a", 0.1), watch("ann", "a", 2.1, 1.0),  # again: it does not judge
            watch("ann", "b", 1.1), watch("ann", "c", 2.2),
            watch("ann", "skipped", 0.2, 0.1), watch("ann", "skipped", 2.3, 1.0),
            watch("ann", "liked later", 0.9, 0.1, **late_like),
            watch("ann", "came out later", 2.9), watch("ann", "withdrawn", 2.9),
        ],
        [*map(video, ("a", "b", "c", "skipped", "liked later")), video("came out later", 2.5),
         video("withdrawn", status="rejected", reason="no_video")],
        [("ann", "refused", START + timedelta(days=1.2)), ("nobody", "a", START)],
    )  # fmt: skip
    assert found == {
        "train": {("ann", "a")},
        "valid": {("ann", "b")},
        "test": {("ann", "c")},
        # Watched or refused before the test, and no positive before it: in no list.
        "refused": {("ann", "skipped"), ("ann", "liked later"), ("ann", "refused")},
    }


def test_nothing_after_a_cut_changes_a_part_before_it(
    cut_parts: Callable[..., dict[str, set[tuple[str, str]]]],
) -> None:
    chance = np.random.default_rng(2)
    rows = [
        watch(f"u{chance.integers(3)}", f"v{chance.integers(6)}", float(day), float(chance.random()))
        for day in np.sort(chance.random(40) * 3)
    ]
    videos = [video(f"v{n}") for n in range(6)]
    whole = cut_parts(rows, videos)
    before = [row for row in rows if row["started_at"] < CUT.test]
    assert whole["test"] and {**whole, "test": set()} == cut_parts(before, videos)
    earlier = [row for row in rows if row["started_at"] < CUT.valid]
    assert whole["train"] == cut_parts(earlier, videos)["train"]


def test_a_part_of_the_viewers_is_drawn_whole_and_the_same_again(spark: SparkSession) -> None:
    rows = rows_of(spark, "silver.watches", [watch(f"u{n}", f"v{m}", 0.1 * m) for n in range(60) for m in range(3)])
    some = [row.user_id for row in drawn(rows, 180, 60).select("user_id").collect()]
    assert 6 < len(set(some)) < 34 and len(some) == 3 * len(set(some))
    assert some == [row.user_id for row in drawn(rows, 180, 60).select("user_id").collect()]
    assert drawn(rows, 180, 180).count() == 180


def test_the_files_hold_what_the_night_would_know(lake: Lake, tmp_path: Path) -> None:
    videos = [video("a"), video("b", 1.5), video("c"), video("late", 2.5)]
    watches = [watch("ann", "a", 0.1, 0.8), watch("ann", "c", 0.2, 0.1), watch("ben", "b", 1.6), watch("ben", "c", 2.1)]
    lake.merge("silver.videos", rows_of(lake.spark, "silver.videos", videos))
    lake.merge("silver.watches", rows_of(lake.spark, "silver.watches", watches))
    taken = take(lake, tmp_path, test_days=1)
    assert pq.read_table(taken.test).select(["user_id", "video_id"]).to_pylist() == [
        {"user_id": "ben", "video_id": "c"}
    ]
    assert taken.origin[0].endswith("4 watches, of all viewers")
    data = load(taken.files)
    assert data.videos.tolist() == ["a", "b", "c"] and data.rankable.all()
    world = world_of(data, data.train)
    assert (world.published - world.published[0]).tolist() == [0, int(10.5 * 86_400e6), 0]
    assert world.hashtags.tolist() == ["a", "all", "b", "c"] and (world.published != NEVER).all()
    # Ann's skip teaches nothing, and is in none of her lists.
    ann = data.viewers.tolist().index("ann")
    assert data.videos[world.video].tolist() == ["a"]
    assert data.videos[world.refused[world.refused_starts[ann] : world.refused_starts[ann + 1]]].tolist() == ["c"]
