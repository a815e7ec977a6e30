"""A catalogue's rows come in as uploads without media, before what was watched of them."""

from pathlib import Path

import orjson
import pytest

from jobs.imports.catalogue import CatalogueTooLate, import_catalogue
from jobs.imports.interactions import import_interactions
from jobs.imports.layouts import CATALOGUE, INTERACTIONS, PRESETS, BadMap, parse_map
from jobs.settings import Settings

VIDEOS = """video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width,music_id,tag
1,77,NORMAL,2022-03-29,ShortImport,1,8000.0,720,5,"1,26"
2,,NORMAL,2022-03-30,ShortImport,1,,720,,
"""


def test_a_row_is_an_upload_with_what_its_columns_say(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "videos.csv").write_text(VIDEOS)
    report = import_catalogue(tmp_path / "videos.csv", PRESETS["kuairand"].catalogue, settings, zone="Asia/Shanghai")
    rows = [orjson.loads(line) for line in report.manifest.read_bytes().splitlines()]
    assert [
        (r["upload_id"], r["user_id"], r["hashtags"], r["sound_id"], r["duration_ms"], r["uploaded_at"]) for r in rows
    ] == [
        ("1", "77", ["1", "26"], "5", 8000, "2022-03-28T16:00:00.000Z"),
        ("2", "unknown", [], None, None, "2022-03-29T16:00:00.000Z"),
    ]
    assert (report.rows, report.uploads, report.refused) == (2, 2, 0)


def test_videos_that_have_a_catalogue_are_not_made_again(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "videos.csv").write_text("id\n1\n")
    (tmp_path / "log.csv").write_text("u,v,t\nann,1,1709287200\nann,2,1709287200\n")
    columns = {"user_id": "u", "video_id": "v", "event_at": "t"}
    import_catalogue(tmp_path / "videos.csv", {"video_id": "id"}, settings)
    assert import_interactions([tmp_path / "log.csv"], columns, settings).videos == 1
    import_catalogue(tmp_path / "videos.csv", {"video_id": "id"}, settings)
    (tmp_path / "videos.csv").write_text("id\n1\n2\n")
    with pytest.raises(CatalogueTooLate, match="1 videos of this catalogue, such as 2, are already in"):
        import_catalogue(tmp_path / "videos.csv", {"video_id": "id"}, settings)


def test_a_map_is_names_and_columns() -> None:
    assert parse_map(("user_id=uid,video_id=vid", "event_at = when"), INTERACTIONS) == {
        "user_id": "uid",
        "video_id": "vid",
        "event_at": "when",
    }
    for text, says in {
        "title": "write NAME=COLUMN",
        "when=t": "'when' is not one of",
        "title=a,title=b": "twice",
    }.items():
        with pytest.raises(BadMap, match=says):
            parse_map((text,), CATALOGUE)
