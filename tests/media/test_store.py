"""Media folders appear whole or not at all, and once for equal bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs.media.store import WORK, make_once, media_hash

Draw = Callable[..., Path]

PUBLISH = """
import sys
from functools import partial
from pathlib import Path
from jobs.media.ladder import transcode
from jobs.media.probe import probe
from jobs.media.store import make_once, media_hash
clip, media = map(Path, sys.argv[1:])
make_once(media, media_hash(clip), partial(transcode, clip, probe(clip)))
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_run_killed_at_any_moment_leaves_no_half_folder_and_the_next_run_completes_it(
    draw: Draw, tmp_path: Path
) -> None:
    clip = draw("to_kill.mp4", seconds=2, size="720x1280")
    name = media_hash(clip)
    command = [sys.executable, "-c", PUBLISH, str(clip)]
    started = time.monotonic()
    subprocess.run([*command, str(tmp_path / "calm")], check=True)
    whole, undisturbed = time.monotonic() - started, contents(tmp_path / "calm" / name)
    assert "master.m3u8" in undisturbed
    for share in (0.2, 0.5, 0.8, 0.95):
        media = tmp_path / f"killed-{share}"
        process = subprocess.Popen([*command, str(media)], start_new_session=True)
        time.sleep(share * whole)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        if (media / name).exists():
            assert contents(media / name) == undisturbed
        subprocess.run([*command, str(media)], check=True)
        assert contents(media / name) == undisturbed


def test_a_folder_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    first = make_once(tmp_path, "ab12", lambda folder: (folder / "a").write_text("1"))
    again = make_once(tmp_path, "ab12", lambda folder: pytest.fail("made twice"))
    assert first == again and contents(again) == {"a": b"1"}


def test_two_uploads_of_the_same_bytes_are_made_once(tmp_path: Path) -> None:
    made = []

    def slowly(folder: Path) -> None:
        made.append(folder)
        time.sleep(0.3)
        (folder / "a").write_text("1")

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: make_once(tmp_path, "ab12", slowly), range(4)))) == 1
    assert len(made) == 1


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ValueError("bad clip")

    with pytest.raises(ValueError, match="bad clip"):
        make_once(tmp_path, "ab12", fail)
    assert [p.name for p in tmp_path.iterdir()] == [WORK]
    assert not [p for p in (tmp_path / WORK).iterdir() if p.is_dir()]


def test_the_hash_names_the_bytes_and_not_the_file(tmp_path: Path) -> None:
    for name, content in (("a.mp4", b"same"), ("b.mov", b"same"), ("c.mp4", b"other")):
        (tmp_path / name).write_bytes(content)
    assert media_hash(tmp_path / "a.mp4") == media_hash(tmp_path / "b.mov") != media_hash(tmp_path / "c.mp4")
