"""Published protocols on tiny files in the layouts of their data sets, cut by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.evaluation.baselines import POPULARITY
from jobs.evaluation.columns import facts_of, with_facts
from jobs.evaluation.data import Data, load
from jobs.evaluation.files import BadFile, read_pairs
from jobs.evaluation.published.published import Cut
from jobs.evaluation.published.vk_lsvd import VK_LSVD
from jobs.evaluation.published.yambda import TEST_FROM, TRAIN_UNTIL, VALID_FROM, VALID_UNTIL, YAMBDA
from jobs.evaluation.world import world_of
from jobs.ranking.lists import Union, lists_of
from jobs.ranking.sources.snapshot import Moment, take_snapshot

Pairs = list[tuple[str, str]]
UINT32 = pa.uint32()
LISTENS = pa.schema(
    [("uid", UINT32), ("timestamp", UINT32), ("item_id", UINT32), ("is_organic", pa.uint8()),
     ("played_ratio_pct", pa.uint16()), ("track_length_seconds", UINT32)]
)  # fmt: skip
WEEKS = pa.schema(
    [("user_id", UINT32), ("item_id", UINT32), ("place", pa.uint8()), ("platform", pa.uint8()), ("agent", pa.uint8()),
     ("timespent", pa.uint8()), ("like", pa.bool_()), ("dislike", pa.bool_()), ("share", pa.bool_()),
     ("bookmark", pa.bool_()), ("click_on_author", pa.bool_()), ("open_comments", pa.bool_())]
)  # fmt: skip


def pairs_of(path: Path | None) -> Pairs:
    assert path is not None
    found = read_pairs(path)
    return list(zip(found.users.to_pylist(), found.videos.to_pylist(), strict=True))


def listens(path: Path, rows: list[tuple[int, int, int, int]]) -> Path:
    named = [
        {"uid": u, "item_id": i, "timestamp": t, "is_organic": 1, "played_ratio_pct": p, "track_length_seconds": 180}
        for u, i, t, p in rows
    ]
    pq.write_table(pa.Table.from_pylist(named, schema=LISTENS), path)
    return path


@pytest.fixture
def yambda(tmp_path: Path) -> Callable[[list[tuple[int, int, int, int]]], Cut]:
    (tmp_path / "parts").mkdir()
    return lambda rows: YAMBDA.cut([listens(tmp_path / "listens.parquet", rows)], tmp_path / "parts")


HEARD = [
    (1, 10, 5, 50), (1, 11, TRAIN_UNTIL - 1, 100), (2, 10, 7, 80), (2, 12, 9, 49),
    (1, 12, TRAIN_UNTIL, 90), (1, 12, VALID_FROM - 1, 90),  # a gap
    (1, 10, VALID_FROM, 90), (2, 13, VALID_UNTIL - 1, 90), (3, 10, VALID_FROM, 90),
    (1, 13, VALID_UNTIL, 90), (1, 13, TEST_FROM - 1, 90),  # the other gap
    (1, 10, TEST_FROM, 90), (2, 14, TEST_FROM + 86_399, 90), (3, 10, TEST_FROM, 90), (1, 11, TEST_FROM, 49),
]  # fmt: skip


def test_yambda_is_cut_at_its_instants_with_gaps_and_judges_users_of_the_training(
    yambda: Callable[[list[tuple[int, int, int, int]]], Cut],
) -> None:
    parts = yambda(HEARD)
    assert pairs_of(parts.files.train) == [("1", "10"), ("1", "11"), ("2", "10")]
    assert pairs_of(parts.files.valid) == [("1", "10"), ("2", "13")]
    assert pairs_of(parts.test) == [("1", "10"), ("2", "14")]
    assert TEST_FROM == 25_913_600 and TRAIN_UNTIL == 25_823_600 and VALID_UNTIL - VALID_FROM == 86_400


def first_list(data: Data, viewer: str) -> list[str]:
    snapshot = take_snapshot(world_of(data, data.train), data.now)
    moment = Moment(data.viewers.tolist().index(viewer), data.now)
    (row,) = lists_of(POPULARITY, snapshot, [moment]).videos
    return [str(video) for video in data.videos[row[row >= 0]]]


def test_what_was_heard_may_be_recommended_again_and_the_ranker_is_told(
    yambda: Callable[[list[tuple[int, int, int, int]]], Cut],
) -> None:
    data = load(yambda(HEARD).files)
    assert first_list(data, "1") == ["10", "11"]
    facts = facts_of(take_snapshot(world_of(data, data.train), data.now), data.contents)
    two = data.viewers.tolist().index("2")
    candidates = Union(np.array([[0, 1, -1]], dtype=np.int32), (), np.zeros((1, 3, 0), dtype=np.float32))
    told = with_facts(candidates, np.array([two]), facts)
    assert told.columns[-1] == "watched_before"
    assert told.values[0, :, -1].tolist()[:2] == [1, 0] and np.isnan(told.values[0, 2, -1])


def test_likes_have_no_share_played_and_count_all(tmp_path: Path) -> None:
    rows = [(1, 10, 5, 0), (1, 11, VALID_FROM, 0), (1, 12, TEST_FROM, 0)]
    whole = pq.read_table(listens(tmp_path / "listens.parquet", rows))
    pq.write_table(whole.select(["uid", "timestamp", "item_id", "is_organic"]), tmp_path / "likes.parquet")
    assert pairs_of(YAMBDA.cut([tmp_path / "likes.parquet"], tmp_path).test) == [("1", "12")]


def week(folder: Path, number: int, rows: list[tuple[int, int, bool]]) -> Path:
    path = folder / f"week_{number:02}.parquet"
    silent: dict[str, Any] = dict.fromkeys(("place", "platform", "agent", "timespent"), 0)
    silent |= dict.fromkeys(("dislike", "share", "bookmark", "click_on_author", "open_comments"), False)
    named = [{"user_id": u, "item_id": i, "like": like, **silent} for u, i, like in rows]
    pq.write_table(pa.Table.from_pylist(named, schema=WEEKS), path)
    return path


@pytest.fixture
def weeks(tmp_path: Path) -> list[Path]:
    """The last week first, as a shell that lists folders does: test, train, validation."""
    return [
        week(tmp_path, 26, [(1, 14, True), (2, 12, True), (1, 15, False)]),
        week(tmp_path, 0, [(2, 10, True), (1, 10, True), (1, 11, False)]),
        week(tmp_path, 24, [(1, 12, True), (3, 12, False), (3, 10, True)]),
        week(tmp_path, 25, [(1, 13, True), (2, 11, False)]),
    ]


def test_vk_lsvd_is_cut_by_weeks_and_keeps_the_order_of_rows(tmp_path: Path, weeks: list[Path]) -> None:
    parts = VK_LSVD.cut(weeks, tmp_path)
    assert pairs_of(parts.files.train) == [("2", "10"), ("1", "10"), ("1", "12"), ("3", "10")]
    assert pairs_of(parts.files.valid) == [("1", "13")]
    assert pairs_of(parts.test) == [("1", "14"), ("2", "12")]
    times = read_pairs(parts.files.train).at
    assert times is not None and (np.diff(times) > 0).all()


def test_no_list_of_vk_lsvd_holds_what_was_shown_before(tmp_path: Path, weeks: list[Path]) -> None:
    data = load(VK_LSVD.cut(weeks, tmp_path).files)
    assert {viewer: first_list(data, viewer) for viewer in "123"} == {"1": [], "2": ["12"], "3": []}


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["week_00.parquet", "week_25.parquet"], "needs weeks before 25, week 25 and week 26"),
        (["week_00.parquet", "week_00.parquet"], "of one week"),
        (["other.parquet"], "is not named as VK-LSVD names its files"),
    ],
)
def test_files_that_are_others_are_told(tmp_path: Path, weeks: list[Path], names: list[str], complaint: str) -> None:
    with pytest.raises(BadFile, match=complaint):
        VK_LSVD.cut([tmp_path / name for name in names], tmp_path)


def test_a_file_that_is_none_of_yambda_is_told(tmp_path: Path, weeks: list[Path]) -> None:
    (tmp_path / "text.parquet").write_text("no")
    for paths, complaint in (
        ([tmp_path / "text.parquet"], "is no Parquet file"),
        (weeks, "reads one flat file"),
        (weeks[:1], "has no column uid"),
    ):
        with pytest.raises(BadFile, match=complaint):
            YAMBDA.cut(paths, tmp_path)
