"""Clips for the tests of the media room, drawn by ffmpeg's own generators."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import imageio_ffmpeg
import pytest

Draw = Callable[..., Path]
Run = Callable[..., None]


def run_ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg; its complaint is the test's."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def ffmpeg() -> Run:
    """ffmpeg(*arguments) runs it."""
    return run_ffmpeg


@pytest.fixture(scope="session")
def draw(tmp_path_factory: pytest.TempPathFactory) -> Draw:
    """draw(name, seconds=, size=, picture=, sound=, extra=): a clip of that name, drawn once per test run."""
    folder = tmp_path_factory.mktemp("clips")

    def one(
        name: str,
        *,
        seconds: float = 1.0,
        size: str = "360x640",
        picture: str = "testsrc2",
        sound: bool = True,
        extra: tuple[str, ...] = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"),
    ) -> Path:
        # Two tests may mean different clips by one name.
        path = folder / sha256(repr((seconds, size, picture, sound, extra)).encode()).hexdigest()[:12] / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"] if sound else []
            source = f"{picture}{':' if '=' in picture else '='}size={size}:rate=30:duration={seconds}"
            run_ffmpeg("-f", "lavfi", "-i", source, *tone, *extra, path)
        return path

    return one


@pytest.fixture(scope="session")
def sideways(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As phones record upright clips: stored lying, 640x360, with a display matrix; displayed red is above blue."""
    folder = tmp_path_factory.mktemp("sideways")
    halves = "color=red:size=320x360:rate=30:duration=1[r];color=blue:size=320x360:rate=30:duration=1[b];[b][r]hstack"
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    run_ffmpeg("-f", "lavfi", "-i", halves, *coding, folder / "lying.mp4")
    run_ffmpeg("-display_rotation", "90", "-i", folder / "lying.mp4", "-c", "copy", folder / "sideways.mp4")
    return folder / "sideways.mp4"
