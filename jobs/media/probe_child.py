"""The program that opens a stranger's file with libav and prints what it saw, as one JSON object.

Belongs here: only what must run in a process of its own, because a crafted file can crash or stall libav. It imports
nothing of ours, so that it starts in 0.2 s: probe.py runs it by path and judges what it says.

Usage: probe_child.py FILE CONTAINERS MAX_PIXELS
"""

from __future__ import annotations

import json
import resource
import sys
from fractions import Fraction
from typing import Any

import av
from av.stream import Disposition

MEMORY_BYTES = 4 * 1024**3
CPU_SECONDS = 60
PACKETS_TO_FIRST_FRAME = 300
"""Ten seconds of video without one frame that decodes is no video."""


class Unreadable(Exception):
    """The first argument is the reason's name, the second the detail."""


def first_frames(container: Any, video: Any, audio: list[Any]) -> dict[str, Any]:
    """Read every packet, decode until the first picture and the first sound, and measure what is really there.

    Durations come from packets, since the header's is only a claim. Seconds; None where a stream has no packet.
    """
    spans: dict[int, tuple[Fraction, Fraction]] = {}
    picture: Any = None
    heard: int | None = None
    tried = 0
    damage = ""
    packets = container.demux([video, *audio])
    while True:
        try:
            packet = next(packets)
        except (StopIteration, EOFError):
            break
        except (av.error.FFmpegError, ValueError) as error:
            damage = str(error)
            break
        if packet.pts is not None and not packet.is_discard and packet.size:
            start = packet.pts * packet.time_base
            end = start + (packet.duration or 0) * packet.time_base
            low, high = spans.get(packet.stream_index, (start, end))
            spans[packet.stream_index] = (min(low, start), max(high, end))
        is_video = packet.stream_index == video.index
        if (picture is None and tried < PACKETS_TO_FIRST_FRAME) if is_video else heard is None:
            tried += is_video
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, ValueError, MemoryError) as error:
                damage = damage or str(error)
                continue
            if frames and is_video:
                picture = frames[0]
            elif frames:
                heard = packet.stream_index
    if picture is None:
        raise Unreadable("undecodable", f"no frame of its {video.codec_context.name} video decodes {damage}".strip())

    def span(index: int | None) -> float | None:
        return float(spans[index][1] - spans[index][0]) if index in spans else None

    return {"picture": picture, "audio": heard, "seconds": span(video.index), "audio_seconds": span(heard)}


def describe(path: str, containers: str, max_pixels: int) -> dict[str, Any]:
    """Everything that the judgement and the ladder need to know; raises Unreadable."""
    try:
        # The lists close the door on playlists and scripts that make libav open other files or the network.
        options = {"format_whitelist": containers, "protocol_whitelist": "file"}
        container = av.open(path, options=options, metadata_errors="ignore")
    except (av.error.FFmpegError, ValueError) as error:
        raise Unreadable("not_media", f"no known video container ({getattr(error, 'strerror', error)})") from None
    with container:
        moving = [s for s in container.streams if s.type == "video" and not s.disposition & Disposition.attached_pic]
        sounds = [s for s in container.streams if s.type == "audio"]
        if not moving:
            kinds = sorted({stream.type for stream in container.streams})
            raise Unreadable("no_video", f"{container.format.name} with {', '.join(kinds) or 'no streams'}")
        # A stream in a format unknown to libav has no codec context.
        videos: list[Any] = [s for s in moving if s.codec_context is not None]
        audio: list[Any] = [s for s in sounds if s.codec_context is not None]
        if not videos:
            raise Unreadable("undecodable", "its video is in no format that we can decode")
        video = videos[0]
        size = (video.codec_context.width, video.codec_context.height)
        if size[0] * size[1] > max_pixels:
            return {"width": size[0], "height": size[1]}
        # Matroska states a length for the file only; MP4 for each stream, where the file's includes subtitles and such.
        claims = [s.duration * s.time_base for s in (video, *audio) if s.duration]
        claims = claims or [Fraction(container.duration or 0, av.time_base)]
        seen = first_frames(container, video, audio)
        picture = seen.pop("picture")
        aspect = video.sample_aspect_ratio or Fraction(1)
        rate = video.guessed_rate or video.average_rate or Fraction(30)
        return seen | {
            "container": container.format.name,
            "codec": video.codec_context.name,
            "video": video.index,
            "claimed_seconds": float(max(claims)),
            "width": picture.width,
            "height": picture.height,
            "pixel_aspect": [aspect.numerator, aspect.denominator],
            "rotation": picture.rotation,
            "rate": [rate.numerator, rate.denominator],
            "transfer": int(picture.color_trc),
            "matrix": int(picture.colorspace),
            "primaries": int(picture.color_primaries),
            "is_full_range": int(picture.color_range) == 2,
            "is_interlaced": bool(picture.interlaced_frame),
            "has_dead_audio": seen["audio"] is None and bool(sounds),
        }


def main() -> None:
    """Limits first: a child orphaned by a killed worker must end by itself."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    av.logging.set_level(av.logging.PANIC)
    path, containers, max_pixels = sys.argv[1:]
    try:
        seen = describe(path, containers, int(max_pixels))
    except Unreadable as error:
        seen = {"refused": list(error.args)}
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
