"""Looks at one uploaded file and says what it is, or why it cannot be published.

Belongs here: the judgement on what probe_child.py saw. The limits and reasons: refusals.py. Making renditions of
what passed: ladder.py.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

from jobs.errors import ReelmillError
from jobs.media.process import OutOfProcessorTime, Unfinished, run_bounded
from jobs.media.refusals import (
    MAX_ASPECT,
    MAX_BYTES,
    MAX_PIXELS,
    MAX_SECONDS,
    MIN_SECONDS,
    MIN_SHORT_SIDE,
    MIN_WHOLE,
    Reason,
    Refused,
)
from jobs.media.signature import HEAD_BYTES, unopened
from jobs.media.timeline import BACK_SECONDS, JUMP_SECONDS, frame_rate, hole, lost, span, step, straight
from jobs.media.tracks import Track, choose, track

CONTAINERS = "mov,matroska,webm,mpegts,mpeg,avi,flv,asf,ogg,mp3,aac,wav,flac"
"""What libav may open, for the probe and for the ladder. Sound formats are here to be told apart from rubbish. Never
playlists (hls, dash, concat): such an upload would make ffmpeg read our files and our network for a stranger."""

LOOK_SECONDS = 60
"""Processor time for reading every packet; an honest file of MAX_BYTES takes about two seconds."""

LOOK_WALL_SECONDS = 120.0

SLACK_SECONDS = 1.0
"""What a packet may begin before or end after that no decoder plays, such as an encoder's priming."""

PQ, HLG = 16, 18
"""ITU-T H.273 transfer characteristics of HDR: SMPTE ST 2084 and ARIB STD-B67."""


class ProbeUnfinished(ReelmillError):
    """The machine did not read the file to its end; that says nothing of the clip, which is tried again."""


@dataclass(frozen=True)
class Probe:
    """One playable clip. Width and height are as displayed: rotated, with square pixels, as in its first frame."""

    container: str
    codec: str
    video_stream: int
    audio_stream: int | None
    seconds: float
    """Length of what plays: from the first to the last moment of the chosen picture and sound."""
    start: float
    """The first of these moments on ffmpeg's clock; not 0 where a track that was not chosen begins earlier."""
    picture: tuple[float, float]
    """When the picture begins and ends, counted from `start`; the last frame to the end of its stated length."""
    sound: tuple[float, float] | None
    """When the sound begins and ends, counted from `start`."""
    width: int
    height: int
    rotation: int
    """Counter-clockwise degrees of the display matrix, already applied to width and height."""
    sizes: tuple[tuple[int, int], ...]
    """Every displayed size that occurs, in order; more than one where the picture turns or changes on the way."""
    frame_rate: Fraction
    """From the frames' times, without the holes; not above what the timestamps say, whatever the header says."""
    transfer: int
    matrix: int
    primaries: int
    """ITU-T H.273 code points of the first frame; 2 where nothing is stated."""
    is_full_range: bool
    is_interlaced: bool
    """Whether any frame is."""
    layouts: tuple[str, ...]
    """Every channel layout of the sound that occurs, in order, by libav's names."""
    has_dead_audio: bool
    """There is a sound track, and nothing of it decodes."""

    @property
    def is_hdr(self) -> bool:
        return self.transfer in (PQ, HLG)


def probe(path: Path) -> Probe:
    """What the file holds; raises Refused with the first reason that applies, ProbeUnfinished for the machine's.

    Opens the file in processes of their own: the first reads every packet, the second decodes the chosen tracks.
    """
    if not path.is_file():
        raise Refused(Reason.MISSING_FILE, f"{path.name} is not in the landing area")
    size = path.stat().st_size
    if size == 0:
        raise Refused(Reason.NOT_MEDIA, "the file is empty")
    if size > MAX_BYTES:
        raise Refused(Reason.TOO_LARGE, f"{ceil(size / 1024**2)} MiB, limit {MAX_BYTES // 1024**2} MiB")
    seen = ask("look", path, str(LOOK_SECONDS), str(JUMP_SECONDS), str(BACK_SECONDS), seconds=LOOK_WALL_SECONDS)
    picture, sounds = choose(seen["container"], seen["brand"], [track(stated) for stated in seen["streams"]])
    check_claims(seen, picture, sounds[:1])
    if seen["unread"] > (1 - MIN_WHOLE) * size:
        raise Refused(Reason.UNDECODABLE, f"damaged: the last {100 * seen['unread'] / size:.0f} % of it cannot be read")
    limit = decode_seconds(picture.seconds)
    indexes = [str(one.index) for one in (picture, *sounds)]
    played = ask("play", path, str(limit), str(MAX_PIXELS), *indexes, seconds=2 * limit)
    return judge(seen, played, picture, sounds)


def decode_seconds(seconds: float) -> int:
    """Processor time for decoding a clip: a minute, and ten times its length; 4K at 60 frames takes about five."""
    return 60 + round(10 * seconds)


def ask(task: str, path: Path, *arguments: str, seconds: float) -> dict[str, Any]:
    """What probe_child.py says of the file; raises Refused and ProbeUnfinished."""
    child = str(Path(__file__).with_name("probe_child.py"))
    try:
        finished = run_bounded([sys.executable, "-I", child, task, str(path), CONTAINERS, *arguments], seconds=seconds)
    except OutOfProcessorTime as error:
        raise Refused(Reason.TIMED_OUT, f"decoding it: {error}") from None
    except Unfinished as error:
        raise ProbeUnfinished(f"reading {path.name}: {error}; the next run tries again") from None
    if finished.code < 0:
        raise Refused(Reason.UNDECODABLE, finished.ending)
    if finished.code > 0:
        # A fault of ours; whoever uploaded the file can do nothing about it.
        raise ProbeUnfinished(f"reading {path.name}: {finished.ending}")
    seen: dict[str, Any] = json.loads(finished.output)
    if "failed" in seen:
        raise Refused(Reason.UNDECODABLE, seen["failed"])
    if "unopened" in seen:
        with path.open("rb") as file:
            raise unopened(file.read(HEAD_BYTES), seen["unopened"])
    return seen


def check_claims(seen: dict[str, Any], picture: Track, sounds: list[Track]) -> None:
    """Refuse before anything is decoded what is too long, and what ends before its header says. Pure."""
    chosen = [picture, *sounds]
    there = max(one.seconds for one in chosen)
    if round(there, 1) > MAX_SECONDS + SLACK_SECONDS:
        raise Refused(Reason.TOO_LONG, f"{ceil(there)} s, limit {MAX_SECONDS:.0f} s")
    # MP4 states a length for each track. Other headers state one for all of them, subtitles too, and some count from
    # a clock's zero instead of the first packet. A transport stream states none.
    claims = [(one.claimed, one.seconds) for one in chosen if one.claimed]
    if seen["jumps"]:
        claims = []
    elif not claims:
        ends = [track["end"] for track in seen["streams"] if track["end"] is not None]
        claims = [(seen["claimed"], max(ends, default=0.0))]
    # Some containers do not say how long the last packet is shown.
    last = 0.1 + picture.seconds / max(picture.packets - 1, 1)
    for claimed, found in claims:
        if found < MIN_WHOLE * claimed - last:
            raise Refused(Reason.TRUNCATED, f"{found:.1f} s of the stated {claimed:.1f} s are there")
    if picture.packets == 0:
        raise Refused(Reason.NO_VIDEO, f"its {picture.codec} track is empty")


def judge(seen: dict[str, Any], played: dict[str, Any], picture: Track, sounds: list[Track]) -> Probe:
    """From what probe_child.py printed to a Probe; raises Refused. Pure."""
    video, audio = played["video"], played["sound"]
    if not starts(video):
        why = f" ({video['error']})" if video["error"] else ""
        raise Refused(Reason.UNDECODABLE, f"no frame of its {picture.codec} video decodes{why}")
    looks = video["looks"]
    sizes = tuple(dict.fromkeys(size_of(look) for look in looks))
    check_shape(*sizes[0])
    check_damage("picture", video, picture)
    rate = frame_rate(starts(video), picture.rates)
    shown = plays(video, seen["jumps"])
    heard = None
    if audio is not None:
        chosen = next(one for one in sounds if one.index == audio["index"])
        check_damage("sound", audio, chosen)
        heard = plays(audio, seen["jumps"])
        if not seen["jumps"] and chosen.high is not None:
            # The last packet of an encoder is filled up with silence, which its stated length leaves out.
            heard = heard[0], min(heard[1], chosen.high)
    begin = min(shown[0], heard[0] if heard else shown[0])
    seconds = max(shown[1], heard[1] if heard else shown[1]) - begin
    if round(seconds, 1) > MAX_SECONDS:
        raise Refused(Reason.TOO_LONG, f"{ceil(seconds)} s, limit {MAX_SECONDS:.0f} s")
    if round(seconds, 1) < MIN_SECONDS:
        raise Refused(Reason.TOO_SHORT, f"{seconds:.2f} s, at least {MIN_SECONDS} s")
    return Probe(
        container=seen["container"],
        codec=picture.codec or "",
        video_stream=picture.index,
        audio_stream=audio["index"] if audio else None,
        seconds=seconds,
        # Where the clock may jump, ffmpeg itself counts from the first moment of the tracks that it uses.
        start=0.0 if seen["jumps"] else round(begin - seen["start"], 6),
        picture=(shown[0] - begin, shown[1] - begin),
        sound=(heard[0] - begin, heard[1] - begin) if heard else None,
        width=sizes[0][0],
        height=sizes[0][1],
        rotation=looks[0]["rotation"],
        sizes=sizes,
        frame_rate=rate,
        transfer=looks[0]["transfer"],
        matrix=looks[0]["matrix"],
        primaries=looks[0]["primaries"],
        is_full_range=looks[0]["is_full_range"],
        is_interlaced=any(look["is_interlaced"] for look in looks),
        layouts=tuple(dict.fromkeys(look["layout"] for look in audio["looks"])) if audio else (),
        has_dead_audio=audio is None and any(stated["type"] == "audio" for stated in seen["streams"]),
    )


def starts(played: dict[str, Any]) -> list[float]:
    return [pts * played["unit"] for pts, _, _ in played["frames"] if pts is not None]


def plays(played: dict[str, Any], may_jump: bool) -> tuple[float, float]:
    """From when to when the frames of a track play, on a clock without jumps; at least one has a time."""
    lengths = [(length or 0) * played["unit"] for pts, length, _ in played["frames"] if pts is not None]
    return span(straight(starts(played), may_jump), lengths)


def check_damage(what: str, played: dict[str, Any], track: Track) -> None:
    """Refuse a track of which less than MIN_WHOLE decodes.

    What precedes the first keyframe is not counted: a cut left it without its beginning.
    """
    unit = played["unit"]
    packets = [(pts * unit, is_good, is_key) for pts, is_good, is_key in played["packets"] if pts is not None]
    first = next((start for start, _, is_key in packets if is_key), float("-inf"))
    counted = [packet for packet in packets if packet[0] >= first]
    frames = [(pts * unit, is_whole) for pts, _, is_whole in played["frames"] if pts is not None]
    missing = hole(track.gaps, track.seconds, track.packets, track.bytes)
    missing /= step(sorted(start for start, _, _ in counted)) or 1.0
    total = len(counted) + missing
    whole = len(counted) - lost(counted, frames)
    if whole < MIN_WHOLE * total:
        share = f"{100 * whole / total:.0f} % of its {what} decodes, at least {100 * MIN_WHOLE:.0f} %"
        raise Refused(Reason.UNDECODABLE, f"damaged: {share}")


def size_of(look: dict[str, Any]) -> tuple[int, int]:
    return displayed(look["width"], look["height"], Fraction(*look["pixel_aspect"]), look["rotation"])


def check_shape(width: int, height: int) -> None:
    short, long = sorted((width, height))
    if short < MIN_SHORT_SIDE:
        raise Refused(Reason.TOO_SMALL, f"{width}x{height}, at least {MIN_SHORT_SIDE} pixels a side")
    if long > MAX_ASPECT * short:
        raise Refused(Reason.BAD_SHAPE, f"{width}x{height}, limit {MAX_ASPECT:.0f}:1")


def displayed(width: int, height: int, pixel_aspect: Fraction, rotation: int) -> tuple[int, int]:
    """Stored pixels to displayed ones: stretched to square, then turned.

    As in ffmpeg's autorotate, only a turn within a degree of 90 or 270 swaps the sides; an odd angle keeps the frame.
    An aspect that libav reports as zero or absurd is ignored.
    """
    if Fraction(1, 10) < pixel_aspect < 10:
        width = max(1, round(width * pixel_aspect))
    return (height, width) if abs(rotation) % 180 in (89, 90, 91) else (width, height)
