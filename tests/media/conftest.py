"""Clips for the tests of the media room, drawn by ffmpeg's own generators."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

Draw = Callable[..., Path]
Run = Callable[..., None]


@pytest.fixture(scope="session")
def draw(ffmpeg: Run, tmp_path_factory: pytest.TempPathFactory) -> Draw:
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
            ffmpeg("-f", "lavfi", "-i", source, *tone, *extra, path)
        return path

    return one


@pytest.fixture(scope="session")
def sideways(ffmpeg: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As phones record upright clips: stored lying, 640x360, with a display matrix; displayed red is above blue."""
    folder = tmp_path_factory.mktemp("sideways")
    halves = "color=red:size=320x360:rate=30:duration=1[r];color=blue:size=320x360:rate=30:duration=1[b];[b][r]hstack"
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    ffmpeg("-f", "lavfi", "-i", halves, *coding, folder / "lying.mp4")
    ffmpeg("-display_rotation", "90", "-i", folder / "lying.mp4", "-c", "copy", folder / "sideways.mp4")
    return folder / "sideways.mp4"
