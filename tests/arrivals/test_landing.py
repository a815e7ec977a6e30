"""How files get into the landing area."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from jobs.arrivals.landing import NothingToUpload, Unreadable, land
from serving.landing import extension

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def manifest_lines(landing: Path) -> list[dict[str, object]]:
    files = sorted((landing / "manifests").iterdir())
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_a_folder_lands_all_its_files_in_order_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.mp4", "a/z.mov", ".DS_Store", ".git/x"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    landed = land([tmp_path / "in"], landing=tmp_path / "landing", user_id="ann", uploaded_at=NOON)
    assert [upload.title for upload in landed] == ["z", "b"]
    for upload in landed:
        assert (tmp_path / "landing" / upload.media_file).is_file()
    assert [line["upload_id"] for line in manifest_lines(tmp_path / "landing")] == [u.upload_id for u in landed]


def test_the_manifest_says_what_the_owner_said(tmp_path: Path) -> None:
    (tmp_path / "clip.MP4").write_bytes(b"12345")
    local = NOON.astimezone(timezone(timedelta(hours=2)))
    land([tmp_path / "clip.MP4"], landing=tmp_path, user_id="ann", uploaded_at=local, title="T", hashtags=["cats"])
    (line,) = manifest_lines(tmp_path)
    assert (line["title"], line["hashtags"], line["bytes"]) == ("T", ["cats"], 5)
    assert line["uploaded_at"] == "2026-01-05T12:00:00.000Z"
    assert line["media_file"] == f"files/{line['upload_id']}.mp4"


def test_the_same_file_of_the_same_user_is_the_same_upload(tmp_path: Path) -> None:
    for name in ("one.mp4", "copy.mp4"):
        (tmp_path / name).write_bytes(b"same")
    ids = {
        user: [
            upload.upload_id
            for name in ("one.mp4", "copy.mp4")
            for upload in land([tmp_path / name], landing=tmp_path / "l", user_id=user, uploaded_at=NOON)
        ]
        for user in ("ann", "bob")
    }
    assert len(set(ids["ann"])) == len(set(ids["bob"])) == 1
    assert ids["ann"] != ids["bob"]


def test_landing_twice_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"x")
    for _ in range(2):
        land([tmp_path / "clip.mp4"], landing=tmp_path / "l", user_id="ann", uploaded_at=NOON)
    assert len([p for p in (tmp_path / "l").rglob("*") if p.is_file()]) == 2


def test_a_path_that_stands_for_no_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("empty", "holds no files"), ("gone", "does not exist"), ("pipe", "neither a file")):
        with pytest.raises(NothingToUpload, match=words):
            land([tmp_path / name], landing=tmp_path / "l", user_id="ann", uploaded_at=NOON)
    assert not (tmp_path / "l").exists()


def test_a_file_name_that_is_not_utf_8_stops_nobody_and_is_shown_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (b"a.mp4", b"caf\xe9.mp4", b"z.mp4"):
        Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes(name)
    land([folder], landing=tmp_path / "l", user_id="ann", uploaded_at=NOON, hashtags=["caf\udce9"])
    lines = manifest_lines(tmp_path / "l")
    assert [line["title"] for line in lines] == ["a", "caf\N{REPLACEMENT CHARACTER}", "z"]
    assert {line["media_file"] for line in lines} == {f"files/{p.name}" for p in (tmp_path / "l" / "files").iterdir()}


def test_an_id_that_is_no_text_is_refused_before_anything_is_copied(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"x")
    with pytest.raises(Unreadable, match="id of the user is not UTF-8"):
        land([tmp_path / "clip.mp4"], landing=tmp_path / "l", user_id="ann\udcff", uploaded_at=NOON)
    assert not (tmp_path / "l").exists()


def test_equal_files_under_two_extensions_leave_no_orphan(tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mov"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_text("same")
    (upload,) = land([tmp_path / "in"], landing=tmp_path / "l", user_id="ann", uploaded_at=NOON)
    assert [f"files/{file.name}" for file in (tmp_path / "l" / "files").iterdir()] == [upload.media_file]


def test_a_strange_extension_does_not_reach_the_landing_area() -> None:
    assert [extension(name) for name in ("a.mp4", "a.MOV", "a", "a.p h p", "a.verylongextension")] == [
        "mp4",
        "mov",
        "bin",
        "bin",
        "bin",
    ]


def test_an_upload_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        land([tmp_path], landing=tmp_path, user_id="ann", uploaded_at=datetime(2026, 1, 5))
