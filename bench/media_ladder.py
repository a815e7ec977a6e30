"""What one decode for all rungs saves, as a ratio to the plain way of doing it, in the same run.

Belongs here: the measurement. It prints and asserts nothing: a ratio on a busy laptop is not a test.

    python bench/media_ladder.py [--rounds 3]

The plain way: one ffmpeg run per rung, each decoding, turning and tone-mapping the source for itself. Both ways use the
same commands that publishing uses, the poster included, and take turns, so that a change of the machine's mood hits
both. Wall seconds are what an upload waits for; processor seconds are what a busy machine pays.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import imageio_ffmpeg
from rich.console import Console
from rich.table import Table

from jobs.media.geometry import Rung, rungs
from jobs.media.ladder import command, limit_seconds
from jobs.media.probe import Probe, probe
from jobs.media.process import run_bounded
from jobs.settings import REPOSITORY

SHARED = REPOSITORY.parent / "shared" / "media" / "clips"
REAL = ("pattern-hd-no-bar.mp4", "sample_edit_list.mp4", "hdr10-av1.mp4", "car-detection.mp4")


def drawn(folder: Path) -> Path:
    """A six-second 1080p clip as phones record them: 30 frames a second, 12 Mbit/s, sound."""
    path = folder / "drawn-1080p.mp4"
    picture = "testsrc2=size=1080x1920:rate=30:duration=6,noise=alls=12:allf=t"
    arguments = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=duration=6", "-c:v", "libx264"]
    arguments += ["-preset", "veryfast", "-b:v", "12M", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments], check=True)
    return path


def seconds_of(clip: Path, seen: Probe, ladders: list[list[Rung]]) -> tuple[float, float]:
    """Wall and processor seconds of one ffmpeg run for each ladder, one after the other."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    for ladder in ladders:
        with tempfile.TemporaryDirectory() as folder:
            done = run_bounded(command(clip, seen, ladder), seconds=limit_seconds(seen), cwd=Path(folder))
            if done.code:
                raise SystemExit(f"ffmpeg failed on {clip.name}: {done.ending}")
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    table = Table("clip", "length", "one decode: wall, cpu", "one run per rung: wall, cpu", "ratio: wall, cpu")
    with tempfile.TemporaryDirectory() as folder:
        clips = [drawn(Path(folder)), *(SHARED / name for name in REAL if (SHARED / name).is_file())]
        for clip in clips:
            seen = probe(clip)
            ladder = rungs(seen.width, seen.height)
            together, apart = [], []
            for _ in range(rounds):
                together.append(seconds_of(clip, seen, [ladder]))
                apart.append(seconds_of(clip, seen, [[rung] for rung in ladder]))
            one, many = ([median(column) for column in zip(*runs, strict=True)] for runs in (together, apart))
            table.add_row(
                clip.name,
                f"{seen.seconds:.1f} s",
                f"{one[0]:.2f} s, {one[1]:.2f} s",
                f"{many[0]:.2f} s, {many[1]:.2f} s",
                f"{many[0] / one[0]:.2f}x, {many[1] / one[1]:.2f}x",
            )
    console = Console(width=120)
    console.print(table)
    if not SHARED.is_dir():
        console.print(f"Without the real clips: {SHARED} is not there.")


if __name__ == "__main__":
    main()
