"""Looks at one uploaded file and says what it is, or why it cannot be published.

Belongs here: the judgement on what probe_child.py saw. The limits and reasons: refusals.py. Making renditions of
what passed: ladder.py.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from jobs.media.process import OutOfTime, run_bounded
from jobs.media.refusals import (
    MAX_ASPECT,
    MAX_BYTES,
    MAX_PIXELS,
    MAX_SECONDS,
    MIN_SECONDS,
    MIN_SHORT_SIDE,
    Reason,
    Refused,
)

CONTAINERS = "mov,matroska,webm,mpegts,mpeg,avi,flv,asf,ogg,mp3,aac,wav,flac"
"""What libav may open, for the probe and for the ladder. Sound formats are here to be told apart from rubbish. Never
playlists (hls, dash, concat): such an upload would make ffmpeg read our files and our network for a stranger."""

PROBE_SECONDS = 60.0
"""Wall time for one probe; an honest file of MAX_BYTES takes about two seconds."""

PQ, HLG = 16, 18
"""ITU-T H.273 transfer characteristics of HDR: SMPTE ST 2084 and ARIB STD-B67."""


@dataclass(frozen=True)
class Probe:
    """One playable clip. Width and height are as displayed: rotated, with square pixels."""

    container: str
    codec: str
    video_stream: int
    audio_stream: int | None
    seconds: float
    """Length of the video stream, from its packets; the header's claim is not believed."""
    width: int
    height: int
    rotation: int
    """Counter-clockwise degrees of the display matrix, already applied to width and height."""
    frame_rate: Fraction
    transfer: int
    matrix: int
    is_full_range: bool
    is_interlaced: bool
    has_dead_audio: bool
    """There is a sound track, and nothing of it decodes."""

    @property
    def is_hdr(self) -> bool:
        return self.transfer in (PQ, HLG)


def probe(path: Path) -> Probe:
    """What the file holds; raises Refused with the first reason that applies.

    Opens the file in a process of its own, decodes one picture and one sound, and reads every packet for the length.
    """
    if not path.is_file():
        raise Refused(Reason.MISSING_FILE, f"{path.name} is not in the landing area")
    size = path.stat().st_size
    if size == 0:
        raise Refused(Reason.NOT_MEDIA, "the file is empty")
    if size > MAX_BYTES:
        raise Refused(Reason.TOO_LARGE, f"{size / 1024**2:.0f} MiB, limit {MAX_BYTES // 1024**2} MiB")
    child = str(Path(__file__).with_name("probe_child.py"))
    command = [sys.executable, "-I", child, str(path), CONTAINERS, str(MAX_PIXELS)]
    try:
        finished = run_bounded(command, seconds=PROBE_SECONDS)
    except OutOfTime as error:
        raise Refused(Reason.TIMED_OUT, f"reading it: {error}") from None
    if finished.code != 0:
        raise Refused(Reason.UNDECODABLE, finished.ending)
    return judge(json.loads(finished.output))


def judge(seen: dict[str, Any]) -> Probe:
    """From what probe_child.py printed to a Probe; raises Refused. Pure."""
    if "refused" in seen:
        reason, detail = seen["refused"]
        raise Refused(Reason(reason), detail)
    if seen["width"] * seen["height"] > MAX_PIXELS:
        raise Refused(Reason.TOO_LARGE, f"{seen['width']}x{seen['height']} pixels, limit {MAX_PIXELS} per frame")
    width, height = displayed(seen["width"], seen["height"], Fraction(*seen["pixel_aspect"]), seen["rotation"])
    short, long = sorted((width, height))
    if short < MIN_SHORT_SIDE:
        raise Refused(Reason.TOO_SMALL, f"{width}x{height}, at least {MIN_SHORT_SIDE} pixels a side")
    if long > MAX_ASPECT * short:
        raise Refused(Reason.BAD_SHAPE, f"{width}x{height}, limit {MAX_ASPECT:.0f}:1")
    seconds = seen["seconds"] or 0.0
    there = max(seconds, seen["audio_seconds"] or 0.0)
    if there > MAX_SECONDS:
        raise Refused(Reason.TOO_LONG, f"{there:.0f} s, limit {MAX_SECONDS:.0f} s")
    if there < 0.9 * seen["claimed_seconds"]:
        raise Refused(Reason.TRUNCATED, f"{there:.1f} s of the stated {seen['claimed_seconds']:.1f} s are there")
    if seconds < MIN_SECONDS:
        raise Refused(Reason.TOO_SHORT, f"{seconds:.2f} s, at least {MIN_SECONDS} s")
    return Probe(
        container=seen["container"],
        codec=seen["codec"],
        video_stream=seen["video"],
        audio_stream=seen["audio"],
        seconds=seconds,
        width=width,
        height=height,
        rotation=seen["rotation"],
        frame_rate=Fraction(*seen["rate"]),
        transfer=seen["transfer"],
        matrix=seen["matrix"],
        is_full_range=seen["is_full_range"],
        is_interlaced=seen["is_interlaced"],
        has_dead_audio=seen["has_dead_audio"],
    )


def displayed(width: int, height: int, pixel_aspect: Fraction, rotation: int) -> tuple[int, int]:
    """Stored pixels to displayed ones: stretched to square, then turned.

    As in ffmpeg's autorotate, only a turn within a degree of 90 or 270 swaps the sides; an odd angle keeps the frame.
    An aspect that libav reports as zero or absurd is no aspect.
    """
    if Fraction(1, 10) < pixel_aspect < 10:
        width = max(1, round(width * pixel_aspect))
    return (height, width) if abs(rotation) % 180 in (89, 90, 91) else (width, height)
