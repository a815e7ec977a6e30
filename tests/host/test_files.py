"""What is written appears whole or not at all, and is on the disk before its name is."""

import ast
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.arrivals.handover import hand_over
from jobs.evaluation.hold_out import write_held_out
from jobs.host import files
from jobs.host.files import appearing, blank_lines, give_name
from jobs.ranking import model
from jobs.settings import REPOSITORY

WRITERS: dict[str, Callable[[Path], object]] = {
    "a ranker": lambda folder: model.save(folder, "20260105-abc/model.txt", b"tree"),
    "held-out rows": lambda folder: write_held_out(folder / "rows.parquet", {"user_id": ["ann"]}),
    "a manifest": lambda folder: hand_over(folder / "a.jsonl", [b"{}\n"]),
}


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.txt"
    with appearing(path) as unfinished:
        unfinished.write_text("half")
        assert not path.exists() and unfinished.name.startswith(".") and unfinished.suffix == ".txt"
        unfinished.write_text("whole")
    assert [(p.name, p.read_text()) for p in path.parent.iterdir()] == [("report.txt", "whole")]


def test_a_line_goes_from_where_it_stands_and_who_appends_meanwhile_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"one\ntwo\n\none\nthree")
    with path.open("ab", buffering=0) as appending:
        os.utime(path, ns=(7, 7))
        assert blank_lines(path, lambda line: line in (b"one", b"three")) == 3
        assert path.stat().st_mtime_ns == 7
        appending.write(b"\nfour\n")
    assert path.read_bytes() == b"   \ntwo\n\n   \n     \nfour\n"
    assert blank_lines(path, lambda line: line == b"one") == 0


def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError, match="full"), appearing(path) as unfinished:
        unfinished.write_text("half")
        raise RuntimeError("the disk is full")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("report.txt", "before")]


@pytest.mark.parametrize("what", WRITERS)
def test_the_content_is_on_the_disk_before_its_name(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    flush, rename = os.fsync, Path.replace

    def noted_flush(descriptor: int) -> None:
        done.append("fsync")
        flush(descriptor)

    def noted_rename(path: Path, to: Path) -> Path:
        done.append("rename")
        return rename(path, to)

    monkeypatch.setattr(os, "fsync", noted_flush)
    monkeypatch.setattr(Path, "replace", noted_rename)
    WRITERS[what](tmp_path)
    assert done == ["fsync", "rename", "fsync"]


def test_a_folder_is_on_the_disk_with_all_in_it_before_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = tmp_path / "making"
    (making / "480p").mkdir(parents=True)
    (making / "480p" / "0.ts").write_text("picture")
    done: list[str] = []
    rename = Path.rename

    def noted_rename(path: Path, to: Path) -> Path:
        done.append("rename")
        return rename(path, to)

    monkeypatch.setattr(files, "sync", lambda path: done.append(path.name))
    monkeypatch.setattr(Path, "rename", noted_rename)
    give_name(making, tmp_path / "clip")
    assert done == ["480p", "0.ts", "making", "rename", tmp_path.name]
    assert (tmp_path / "clip" / "480p" / "0.ts").read_text() == "picture"


def test_one_module_renames_the_files_of_jobs() -> None:
    lacking = []
    for path in sorted(REPOSITORY.joinpath("jobs").rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        if any(map(renames, calls)) and path.name != "files.py":
            lacking.append(str(path.relative_to(REPOSITORY)))
    assert lacking == []


def renames(call: ast.Call) -> bool:
    """Whether it is Path.replace or Path.rename: one argument, where str.replace and Lake.replace take more."""
    named = isinstance(call.func, ast.Attribute) and call.func.attr in ("replace", "rename")
    return named and len(call.args) == 1 and not call.keywords
