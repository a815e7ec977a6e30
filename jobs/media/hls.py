"""Reads and writes the few lines of HLS that a ladder needs: media playlists in, the master playlist out.

Belongs here: RFC 8216 text and nothing else. Making segments: ladder.py. Serving them: serving/.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from serving.feed_store.shapes import FIRST_SECONDS

AAC_LC = "mp4a.40.2"

SLACK_S = 0.05
"""A segment may be shorter than it was to be by a frame, and still holds the seconds that were asked for."""


class BrokenPlaylist(Exception):
    """ffmpeg wrote no playlist that a player could use."""


@dataclass(frozen=True)
class Variant:
    """One rendition as measured on disk. Bit rates in bit/s, as HLS counts: whole segments, audio included.

    `first_bytes` are as from `first_bytes`; None where it was measured before they were.
    """

    name: str
    width: int
    height: int
    seconds: float
    bytes: int
    peak_bps: int
    average_bps: int
    video_codec: str
    audio_codec: str | None
    playlist: str
    first_bytes: Sequence[int] | None = None


def measure(folder: Path, name: str, width: int, height: int, has_audio: bool) -> Variant:
    """Read folder/name/index.m3u8 and weigh its segments; raises BrokenPlaylist."""
    playlist = folder / name / "index.m3u8"
    if not playlist.is_file():
        raise BrokenPlaylist(f"{name} has no playlist")
    lines = playlist.read_text().splitlines()
    lengths = [float(line.removeprefix("#EXTINF:").rstrip(",")) for line in lines if line.startswith("#EXTINF:")]
    segments = [playlist.parent / line for line in lines if line and not line.startswith("#")]
    sizes = [segment.stat().st_size for segment in segments]
    inits = [line.split('"')[1] for line in lines if line.startswith("#EXT-X-MAP:")]
    if not lengths or len(lengths) != len(sizes) or len(inits) != 1 or lines[-1] != "#EXT-X-ENDLIST":
        raise BrokenPlaylist(f"{name} has an incomplete playlist")
    for file in (playlist.parent / inits[0], *segments):
        if not is_whole(file):
            raise BrokenPlaylist(f"{name}/{file.name} is cut off")
    init = (playlist.parent / inits[0]).read_bytes()
    seconds = sum(lengths)
    if seconds <= 0:
        raise BrokenPlaylist(f"{name} has no length")
    return Variant(
        name=name,
        width=width,
        height=height,
        seconds=round(seconds, 6),
        bytes=sum(sizes) + len(init),
        peak_bps=peak_bps(sizes, lengths),
        average_bps=round(sum(sizes) * 8 / seconds),
        video_codec=avc_codec(init),
        audio_codec=AAC_LC if has_audio else None,
        playlist=f"{name}/index.m3u8",
        first_bytes=first_bytes(len(init), sizes, lengths),
    )


def is_whole(file: Path) -> bool:
    """Whether the boxes of an MP4 file end where the file ends (ISO/IEC 14496-12): a full disk leaves a part."""
    content = file.read_bytes()
    at = 0
    while 0 <= at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        at = at + size if size >= 8 else -1
    return at == len(content)


def peak_bps(sizes: list[int], lengths: list[float]) -> int:
    """The peak segment bit rate of RFC 8216 4.3.4.2, in bit/s.

    The largest rate over consecutive segments that together last 0.5 to 1.5 target durations: a last segment of one
    frame, mostly container, is not a peak by itself. A clip shorter than that has only its average.
    """
    target = max(round(length) for length in lengths)
    peak = sum(sizes) * 8 / sum(lengths)
    for first in range(len(lengths)):
        size, length = 0, 0.0
        for more_size, more_length in zip(sizes[first:], lengths[first:], strict=True):
            size, length = size + more_size, length + more_length
            if length > 1.5 * target:
                break
            if length >= 0.5 * target and length > 0:
                peak = max(peak, size * 8 / length)
    return round(peak)


def first_bytes(init: int, sizes: list[int], lengths: list[float]) -> list[int]:
    """What is to be fetched for each of FIRST_SECONDS: the init segment, and as many whole segments as hold them.

    Whole ones, since a player can show nothing of a part: the sound of a segment comes behind its pictures.
    """
    held, weights = list(accumulate(lengths)), list(accumulate(sizes, initial=init))[1:]
    found = []
    for seconds in FIRST_SECONDS:
        enough = (weight for weight, end in zip(weights, held, strict=True) if end >= seconds - SLACK_S)
        found.append(next(enough, weights[-1]))
    return found


def avc_codec(init: bytes) -> str:
    """The RFC 6381 name, like avc1.64001f: profile, constraints and level from the avcC box of an init segment."""
    at = init.find(b"avcC")
    if at < 0:
        raise BrokenPlaylist("an init segment holds no H.264 configuration")
    return f"avc1.{init[at + 5 : at + 8].hex()}"


def master(variants: list[Variant]) -> str:
    """The master playlist, smallest first: players start with the first, and it starts soonest.

    BANDWIDTH is the peak over segments as RFC 8216 4.3.4.2 wants it, not the encoder's target.
    """
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for v in variants:
        codecs = ",".join(filter(None, (v.video_codec, v.audio_codec)))
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={v.peak_bps},AVERAGE-BANDWIDTH={v.average_bps},"
            f'RESOLUTION={v.width}x{v.height},CODECS="{codecs}"'
        )
        lines.append(v.playlist)
    return "\n".join(lines) + "\n"
