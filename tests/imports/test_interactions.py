"""Interactions of any layout come in as events, what cannot be used is kept with its place, and nothing twice."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.arrivals.handover import OtherDataHere
from jobs.command.groups import imports
from jobs.evaluation.hold_out import newest_part
from jobs.imports.csv_rows import BadFile
from jobs.imports.interactions import HELD_OUT, ImportReport, import_interactions
from jobs.imports.layouts import PRESETS, BadMap
from jobs.settings import Settings
from serving.interactions import MAX_WATCH_MS

COLUMNS = {"user_id": "uid", "video_id": "vid", "event_at": "ts", "watch_ms": "ms"}
LOG = """uid,vid,ts,ms
ann,cats,1709287200,4000
ben,cats,2024-03-01T10:00:05+00:00,0
ann,dogs,1709287300500,900.4
"""
KUAIRAND = """user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,\
play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab
0,10,20220409,900,1649467982289,0,0,0,0,0,0,0,0,70100,0,0,0,0,0
0,11,20220409,900,1649467982289,1,1,0,0,1,0,0,5332,11450,0,0,0,0,0
0,12,20220409,900,1649467982290,0,0,0,0,0,1,0,0,9000,0,0,0,0,0
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


def events_of(settings: Settings) -> list[dict[str, Any]]:
    return [line for line in lines_of(settings.events) if "refused" not in line]


def of_preset(name: str, path: Path, settings: Settings, **options: Any) -> ImportReport:
    preset = PRESETS[name]
    return import_interactions([path], preset.interactions, settings, zone=preset.zone, weeks=preset.weeks, **options)


def test_a_row_is_a_view_at_its_time_however_the_time_is_written(tmp_path: Path, settings: Settings) -> None:
    report = import_interactions([written(tmp_path / "log.csv", LOG)], COLUMNS, settings)
    assert [
        (e["user_id"], e["video_id"], e["event_type"], e["event_at"], e["watch_ms"]) for e in events_of(settings)
    ] == [
        ("ann", "cats", "view", "2024-03-01T10:00:00.000Z", 4000),
        ("ben", "cats", "view", "2024-03-01T10:00:05.000Z", 0),
        ("ann", "dogs", "view", "2024-03-01T10:01:40.500Z", 900),
    ]
    assert (report.rows, report.viewers, report.videos, report.events, report.refused) == (3, 2, 2, 3, 0)


def test_csv_with_other_separators_gzip_and_parquet_say_the_same(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "log.tsv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + LOG.replace(",", "\t").encode()))
    rows = [line.split(",") for line in LOG.splitlines()[1:]]
    frame = {
        name: list(values) for name, values in zip(LOG.splitlines()[0].split(","), zip(*rows, strict=True), strict=True)
    }
    pq.write_table(pa.table({**frame, "ms": pa.array([4000.0, 0.0, 900.4])}), tmp_path / "log.parquet")
    import_interactions([tmp_path / "log.tsv.gz"], COLUMNS, settings)
    first = events_of(settings)
    other = Settings(home=tmp_path / "other")
    import_interactions([tmp_path / "log.parquet"], COLUMNS, other)
    assert len(first) == 3 and events_of(other) == first


def test_a_log_of_what_was_shown_gives_impressions_views_and_reactions(tmp_path: Path, settings: Settings) -> None:
    of_preset("kuairand", written(tmp_path / "log.csv", KUAIRAND), settings)
    assert [(e["video_id"], e["event_type"], e["watch_ms"]) for e in events_of(settings)] == [
        ("10", "impression", None),
        ("11", "impression", None),
        ("11", "view", 5332),
        ("11", "like", None),
        ("11", "share", None),
        ("12", "impression", None),
        ("12", "not_interested", None),
    ]
    durations = {row["upload_id"]: row["duration_ms"] for row in lines_of(settings.landing / "manifests")}
    assert durations == {"10": 70100, "11": 11450, "12": 9000}


def test_files_without_times_are_weeks_whose_rows_are_in_order(tmp_path: Path, settings: Settings) -> None:
    yes_or_no = {name: [False, True] for name in ("like", "dislike", "share", "bookmark")}
    table = pa.table({"user_id": pa.array([5, 6], pa.uint32()), "item_id": [1, 2], "timespent": [38, 3], **yes_or_no})
    pq.write_table(table, tmp_path / "week_03.parquet")
    of_preset("vk-lsvd", tmp_path / "week_03.parquet", settings)
    assert [(e["user_id"], e["event_type"], e["event_at"], e["watch_ms"]) for e in events_of(settings)] == [
        ("5", "view", "2025-01-27T00:00:00.000Z", 38000),
        ("6", "view", "2025-01-30T12:00:00.000Z", 3000),
        ("6", "like", "2025-01-30T12:00:00.000Z", None),
        ("6", "share", "2025-01-30T12:00:00.000Z", None),
        ("6", "not_interested", "2025-01-30T12:00:00.000Z", None),
    ]


def test_pairs_alone_say_that_all_of_it_was_watched(tmp_path: Path, settings: Settings) -> None:
    columns = {name: COLUMNS[name] for name in ("user_id", "video_id", "event_at")}
    import_interactions([written(tmp_path / "log.csv", LOG)], columns, settings)
    assert {(e["watch_ms"], e["share_watched"]) for e in events_of(settings)} == {(None, 1.0)}


def test_what_cannot_be_used_is_kept_with_reason_file_and_line(tmp_path: Path, settings: Settings) -> None:
    bad = (
        b"ann,cats,yesterday,1\n\nann,cats,1709287200\nann,,1709287200,1\nann,a/b,1709287200,1\n"
        b"ann,cats,20240301,1\nann,cats,4102444800,1\nann,cats,1709287200,-1\nann,cats,1709287200,86400001\n"
        b'ann,cats,1709287200,1_0\nann,cats,1709287200,\nann,\xff,1709287200,1\nann,"cats"!,1709287200,1\n'
    )
    (tmp_path / "log.csv").write_bytes(LOG.encode() + bad)
    report = import_interactions([tmp_path / "log.csv"], COLUMNS, settings)
    assert [(line["line"], line["refused"]) for line in lines_of(settings.events) if "refused" in line] == [
        (5, "event_at (ts) is neither a number since 1970 nor an ISO 8601 time"),
        (7, "3 values where the header has 4"),
        (8, "video_id (vid) is empty"),
        (9, "video_id (vid) is not an id: 1 to 128 characters, none of them / or a control character, and not . or .."),
        (10, "event_at (ts) is before 1990"),
        (11, "event_at (ts) is in the future"),
        (12, f"watch_ms (ms) is not from 0 to {MAX_WATCH_MS:.0f}"),
        (13, f"watch_ms (ms) is not from 0 to {MAX_WATCH_MS:.0f}"),
        (14, "watch_ms (ms) is not a number"),
        (15, "watch_ms (ms) is empty"),
        (16, "the line is not UTF-8"),
        (17, "the line is not CSV: ',' expected after '\"'"),
    ]
    assert (report.rows, report.events, report.refused) == (15, 3, 12)
    assert report.reasons[0] == "2 rows: watch_ms (ms) is not from 0 to 86400000 (log.csv:12, log.csv:13)"


def test_a_file_without_a_usable_row_brings_nothing_in(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(
        BadFile, match=r"no row can be used: 3 rows: event_at \(vid\) is neither .* \(log.csv:2, log.csv:3"
    ):
        import_interactions([written(tmp_path / "log.csv", LOG)], {**COLUMNS, "event_at": "vid"}, settings)
    assert not list(settings.home.rglob("*.jsonl"))


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({**COLUMNS, "watch_ms": "played"}, "has no column played; it has uid, vid, ts, ms"),
        ({"user_id": "uid", "video_id": "vid"}, "Say which column is event_at"),
        ({**COLUMNS, "stars": "ms"}, "watch_ms and stars say the same in different units"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(
    tmp_path: Path, settings: Settings, columns: dict[str, str], says: str
) -> None:
    with pytest.raises(BadMap, match=says):
        import_interactions([written(tmp_path / "log.csv", LOG)], columns, settings)


def test_the_same_import_again_writes_the_same_bytes_under_the_same_names(tmp_path: Path, settings: Settings) -> None:
    path = written(tmp_path / "log.csv", LOG + "bad\n")

    def files() -> dict[Path, bytes]:
        import_interactions([path], COLUMNS, settings)
        # Beside them lie the process's own folder for what it keeps for a moment, and the locks.
        places = (settings.landing, settings.events)
        return {path: path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}

    first = files()
    assert len(first) == 3
    assert files() == first


def test_more_files_of_the_same_layout_may_follow_and_other_layouts_may_not(tmp_path: Path, settings: Settings) -> None:
    import_interactions([written(tmp_path / "a.csv", LOG)], COLUMNS, settings)
    import_interactions([written(tmp_path / "b.csv", LOG + "eve,cats,1709287400,1\n")], COLUMNS, settings)
    assert len({(e["user_id"], e["event_id"]) for e in events_of(settings)}) == 4
    with pytest.raises(OtherDataHere):
        import_interactions([tmp_path / "a.csv"], {**COLUMNS, "like": "ms"}, settings)
    with pytest.raises(OtherDataHere):
        import_interactions([tmp_path / "a.csv"], COLUMNS, settings, hold_out=0.5)


def test_what_is_held_out_is_what_movielens_would_hold_out(tmp_path: Path, settings: Settings) -> None:
    rows = [(user, 100 - nth, 1709287200 + nth % 4, 7) for user in (1, 2, 3) for nth in range(user * 3)]
    text = "uid,vid,ts,ms\n" + "".join(f"{u},{v},{t},{m}\n" for u, v, t, m in rows)
    report = import_interactions([written(tmp_path / "log.csv", text)], COLUMNS, settings, hold_out=0.4)
    users, videos, times, _ = (pa.array(values).to_numpy() for values in zip(*rows, strict=True))
    held = newest_part(users, times, videos, 0.4)
    out = pq.read_table(settings.home / HELD_OUT).to_pylist()
    assert {(int(r["user_id"]), int(r["video_id"])) for r in out} == set(zip(users[held], videos[held], strict=True))
    assert report.held_out == held.sum() and report.events == (~held).sum()
    made = {row["upload_id"] for row in lines_of(settings.landing / "manifests")}
    assert made == {str(video) for video in videos[~held]}


def test_the_commands_presets_are_those_of_the_layouts() -> None:
    assert set(imports.PRESETS) == set(PRESETS)
    assert imports._columns({"user_id": "u", "watch_ms": "ms"}, {"watch_s": "s"}) == {"user_id": "u", "watch_s": "s"}
