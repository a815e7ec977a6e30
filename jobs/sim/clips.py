"""Draws the clips of the simulated world with ffmpeg's generators.

A topic has its kind of picture, a creator a colour, a sound its tone and rhythm: what the media jobs see and hear
agrees with what the viewers like.

Belongs here: making a small video file that looks like a phone's upload. What happens to it next: jobs/media.

Single-threaded encoders, fixed seeds and no metadata, so the same clip is the same bytes on every run.
"""

import os
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jobs.errors import ReelmillError
from jobs.host.files import appearing

SIZES = ((180, 320), (180, 320), (180, 320), (180, 320), (144, 256), (144, 256), (180, 180), (320, 180))
FRAME_RATE = 15


def _gradient(width: int, height: int, number: int, kind: str) -> str:
    """The generator's seed moves the points only: colours that are not given are random on every run."""
    colours = ":".join(
        f"c{i}=0x{number * factor % 0xFFFFFF:06x}" for i, factor in enumerate((7919 * 613, 104_729 * 97))
    )
    return f"gradients=s={width}x{height}:r={FRAME_RATE}:seed={number}:n=2:{colours}:type={kind}:speed=0.05"


PICTURES: tuple[Callable[[int, int, int], str], ...] = (
    lambda w, h, n: f"life=s={w // 4}x{h // 4}:r={FRAME_RATE}:seed={n}:mold=10:ratio=0.3,scale={w}:{h}:flags=neighbor",
    lambda w, h, n: _gradient(w, h, n, "linear"),
    lambda w, h, n: f"testsrc2=s={w}x{h}:r={FRAME_RATE}",
    lambda w, h, n: f"sierpinski=s={w}x{h}:r={FRAME_RATE}:seed={n}:type=carpet",
    lambda w, h, n: f"testsrc=s={w}x{h}:r={FRAME_RATE}",
    lambda w, h, n: f"perlin=s={w}x{h}:r={FRAME_RATE}:random_mode=seed:seed={n}",
    lambda w, h, n: f"cellauto=s={w // 4}x{h // 4}:r={FRAME_RATE}:seed={n}:rule=110,scale={w}:{h}:flags=neighbor",
    lambda w, h, n: f"smptebars=s={w}x{h}:r={FRAME_RATE},negate=enable='mod(floor(t*2+{n}),2)'",
    lambda w, h, n: f"zoneplate=s={w}x{h}:r={FRAME_RATE}:ku=1:kx2={10 + n % 20}:ky2={10 + n % 7}:kt={5 + n % 11}",
    lambda w, h, n: _gradient(w, h, n, "circular"),
)
"""One generator per topic, by the topic's number; called with width, height and the clip's own number."""
GREY = {0, 3, 5, 6, 8}  # topics whose generator draws no colours


def _colour(clip: "Clip") -> str:
    """The creator's hue; the saturation tells apart clips of generators without a seed."""
    strength = 0.5 + clip.number % 50 / 100
    if clip.topic in GREY:
        return f"colorize=hue={clip.hue}:saturation={strength:.2f}:lightness=0.5"
    return f"hue=h={clip.hue}:s={strength + 0.2:.2f}"


class ClipNotDrawn(ReelmillError):
    """ffmpeg could not draw a clip."""


@dataclass(frozen=True)
class Clip:
    """What to draw. `rotation`: 0, or the degrees by which players turn the stored picture, as phones store it."""

    number: int
    topic: int
    hue: int  # degrees
    sound: int | None  # silent when None
    duration_ms: int
    size: tuple[int, int]  # of the stored picture
    rotation: int


def clip_of(number: int, *, topic: int, creator: int, sound: int, duration_ms: int) -> Clip:
    """The looks of a clip follow from what it is: mostly upright, one in 20 stored lying down with a rotation mark."""
    lying_down = number % 20 == 7
    size = SIZES[number % len(SIZES)]
    return Clip(
        number=number,
        topic=topic,
        hue=creator * 47 % 360,
        sound=sound if sound >= 0 else None,
        duration_ms=duration_ms,
        size=(max(size), min(size)) if lying_down else size,
        rotation=(90 if number % 40 == 7 else 270) if lying_down else 0,
    )


def draw(clip: Clip, path: Path) -> None:
    """Write one MP4 (H.264, AAC unless silent); the file appears under its name only when whole."""
    import imageio_ffmpeg

    width, height = clip.size
    picture = f"{PICTURES[clip.topic](width, height, clip.number)},{_colour(clip)}"
    turned = ["-noautorotate", "-display_rotation:v", str(clip.rotation)] if clip.rotation else []
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y"]
    command += [*turned, "-f", "lavfi", "-i", picture]
    if clip.sound is not None:
        tone = 220 * 2 ** (clip.sound / 12)  # a semitone apart; every sound beeps in its own rhythm too
        command += ["-f", "lavfi", "-i", f"sine=f={tone:.2f}:b={2 + clip.sound % 4}:r=22050"]
        command += ["-c:a", "aac", "-b:a", "32k", "-flags:a", "+bitexact"]
    command += ["-t", f"{clip.duration_ms / 1000:.3f}", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "30"]
    command += ["-threads", "1", "-filter_threads", "1", "-pix_fmt", "yuv420p", "-flags:v", "+bitexact"]
    command += ["-fflags", "+bitexact", "-map_metadata", "-1"]
    try:
        with appearing(path) as unfinished:
            done = subprocess.run([*command, unfinished], capture_output=True, text=True, timeout=60, check=False)
            if done.returncode:
                raise ClipNotDrawn(f"ffmpeg could not draw {path.name}: {done.stderr.strip()[-500:]}")
    except subprocess.TimeoutExpired:
        raise ClipNotDrawn(f"ffmpeg took more than a minute for {path.name}; is the machine overloaded?") from None


def draw_all(clips: Iterable[tuple[Clip, Path]], done: Callable[[int], None]) -> int:
    """Draw the clips whose files are not there yet, one per core at a time; how many were drawn."""
    missing = [(clip, path) for clip, path in clips if not path.exists()]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for count, _ in enumerate(pool.map(lambda job: draw(*job), missing), start=1):
            done(count)
    return len(missing)
