"""The program that opens a stranger's file with libav and prints what it saw, as one JSON object.

Belongs here: only what must run in a process of its own, because a crafted file can crash or stall libav. It imports
nothing of ours, so that it starts in 0.1 s: probe.py runs it by path, and judges what it says.

Usage: probe_child.py look FILE CONTAINERS CPU_SECONDS JUMP_SECONDS BACK_SECONDS     reads every packet, decodes none
       probe_child.py play FILE CONTAINERS CPU_SECONDS MAX_PIXELS VIDEO [AUDIO...]  decodes one picture and one sound
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import av
from av.format import Flags
from av.stream import Disposition

MEMORY_BYTES = 4 * 1024**3
MAX_GAPS = 1000
# Shorter steps are not worth a look; without decoding times, pictures that depend on later ones go back and forth.
GAP_SECONDS = 0.3
MAX_SKIPS = 100_000


class Unopened(Exception):
    """libav knows no container like it; the text is libav's."""


def opened(path: str, containers: str) -> Any:
    try:
        # The lists close the door on playlists and scripts that make libav open other files or the network.
        options = {"format_whitelist": containers, "protocol_whitelist": "file"}
        return av.open(path, options=options, metadata_errors="ignore")
    except (av.error.FFmpegError, ValueError) as error:
        raise Unopened(message_of(error)) from None


def message_of(error: Exception) -> str:
    """An error of libav without its number and our path."""
    return str(getattr(error, "strerror", None) or error)


def packets_of(container: Any, streams: list[Any], troubles: list[str]) -> Iterator[Any]:
    """Every packet of the streams, and an empty one for each at the end; what stopped the reading early, if anything.

    Where a transport stream was overwritten libav asks to try again, once for each stretch that it skipped.
    """
    for _ in range(MAX_SKIPS):
        try:
            yield from container.demux(streams)
        except av.error.BlockingIOError:
            continue
        except IndexError:
            # PyAV's own, at the end of a file in the middle of which a stream appeared.
            return
        except (av.error.FFmpegError, ValueError) as error:
            troubles.append(message_of(error))
        return


class Walk:
    """What the packets of one stream add up to. Seconds; `low` and `high` are on a clock without its jumps."""

    def __init__(self, time_base: Any, jump: float, back: float) -> None:
        self.unit = float(time_base or 0)
        self.jump, self.back = jump, back
        self.shift = 0.0
        self.expected: float | None = None
        self.low = self.high = self.end = None
        self.packets = self.bytes = self.encrypted = 0
        self.place: tuple[int, int] | None = None
        self.gaps: list[tuple[float, int]] = []

    def add(self, packet: Any, covered: int) -> None:
        """Take in one packet; `covered` is how many bytes the packets of all streams before it hold."""
        self.encrypted += packet.has_sidedata("encryption_info")
        clock = packet.dts if packet.dts is not None else packet.pts
        if clock is None or packet.is_discard:
            return
        length = (packet.duration or 0) * self.unit
        step = 0.0 if self.expected is None else clock * self.unit - self.expected
        place = None if packet.pos is None or packet.pos < 0 else (packet.pos, covered)
        if step > self.jump or step < -self.back:
            self.shift -= step
        elif step > max(length, GAP_SECONDS) and place and self.place and len(self.gaps) < MAX_GAPS:
            self.gaps.append((step, place[0] - self.place[0] - (place[1] - self.place[1])))
        self.place = place
        self.expected = clock * self.unit + length
        shown = (packet.pts if packet.pts is not None else clock) * self.unit
        self.packets += 1
        self.bytes += packet.size
        self.end = max(shown + length, shown if self.end is None else self.end)
        start = shown + self.shift
        self.low = start if self.low is None else min(self.low, start)
        self.high = start + length if self.high is None else max(self.high, start + length)

    def report(self) -> dict[str, Any]:
        names = ("low", "high", "end", "packets", "bytes", "encrypted", "gaps")
        return {name: getattr(self, name) for name in names}


def look(path: str, containers: str, jump: str, back: str) -> dict[str, Any]:
    """The streams as their headers state them, and what their packets add up to; raises Unopened.

    Lengths come from packets, since the header's is only a claim. What decodes is another question: see `play`. Where
    the format's clock may jump, a step of more than `jump` seconds, or of more than `back` to the past, is a jump.
    """
    with opened(path, containers) as container:
        jumps = bool(Flags(container.format.flags) & Flags.ts_discont)
        streams = [stated(stream) for stream in container.streams]
        steps = (float(jump), float(back)) if jumps else (inf, inf)
        walks = {s.index: Walk(s.time_base, *steps) for s in container.streams}
        troubles: list[str] = []
        covered = edge = 0
        for packet in packets_of(container, list(container.streams), troubles):
            walks[packet.stream.index].add(packet, covered)
            covered += packet.size
            edge = max(edge, (packet.pos or 0) + packet.size)
        for stream in streams:
            stream |= walks[stream["index"]].report()
        return {
            "container": container.format.name,
            "brand": container.metadata.get("major_brand", "").strip(),
            "jumps": jumps,
            "start": (container.start_time or 0) / av.time_base,
            "claimed": (container.duration or 0) / av.time_base,
            "unread": max(0, Path(path).stat().st_size - edge) if troubles else 0,
            "streams": streams,
        }


def stated(stream: Any) -> dict[str, Any]:
    """What the header says of one stream; a format unknown to libav has no codec context."""
    context = stream.codec_context
    rates = (stream.average_rate, stream.guessed_rate) if stream.type == "video" else ()
    return {
        "index": stream.index,
        "type": stream.type,
        "codec": context.name if context else None,
        "tag": context.codec_tag if context else "",
        "width": context.width if context and stream.type == "video" else 0,
        "height": context.height if context and stream.type == "video" else 0,
        "is_default": bool(stream.disposition & Disposition.default),
        "is_extra": bool(stream.disposition & (Disposition.comment | Disposition.visual_impaired)),
        "is_cover": bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails)),
        "is_locked": "enc_key_id" in stream.metadata,
        "claimed": float((stream.duration or 0) * (stream.time_base or 0)),
        "rates": [[rate.numerator, rate.denominator] for rate in rates if rate],
    }


def play(path: str, containers: str, max_pixels: str, video: str, *sounds: str) -> dict[str, Any]:
    """Decode a picture and the first of the sounds of which anything decodes, and say what came of each packet."""
    wanted = [int(index) for index in sounds]
    played = decoded(path, containers, max_pixels, [int(video), *wanted[:1]])
    result: dict[str, Any] = {"video": played[int(video)], "sound": None}
    for index in wanted:
        heard = played[index] if index in played else decoded(path, containers, max_pixels, [index])[index]
        if any(pts is not None for pts, _, _ in heard["frames"]):
            result["sound"] = heard | {"index": index}
            break
    return result


def decoded(path: str, containers: str, max_pixels: str, indexes: list[int]) -> dict[int, dict[str, Any]]:
    """Per stream: its packets as [pts, is good, is key], its frames as [pts, duration, is whole], and how they look."""
    with opened(path, containers) as container:
        streams = [container.streams[index] for index in indexes]
        seen: dict[int, dict[str, Any]] = {}
        for stream in streams:
            seen[stream.index] = {
                "unit": float(stream.time_base),
                "packets": [],
                "frames": [],
                "looks": [],
                "error": "",
            }
            stream.codec_context.options = {"max_pixels": max_pixels}
            stream.thread_count = 2
            stream.thread_type = "AUTO"
        aspects = {s.index: s.sample_aspect_ratio for s in streams if s.type == "video"}
        troubles: list[str] = []
        for packet in packets_of(container, streams, troubles):
            if not packet.size and packet.pts is not None:
                # AVI holds a picture by an empty packet; to the decoder it would be the end.
                continue
            # Not packet.stream_index: the empty packet at the end has none.
            index, is_good, frames = packet.stream.index, True, []
            one = seen[index]
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, ValueError, MemoryError) as error:
                is_good = False
                one["error"] = one["error"] or message_of(error)
            if packet.size and not packet.is_discard:
                one["packets"].append([packet.pts, is_good, packet.is_keyframe])
            for frame in frames:
                is_video = index in aspects
                length = frame.duration if is_video else round(frame.samples / frame.sample_rate / one["unit"])
                one["frames"].append([frame.pts, length, not frame.is_corrupt])
                look = picture(frame, aspects[index]) if is_video else heard(frame)
                if look not in one["looks"]:
                    one["looks"].append(look)
        return seen


def picture(frame: Any, aspect: Any) -> dict[str, Any]:
    return {
        "width": frame.width,
        "height": frame.height,
        "pixel_aspect": [aspect.numerator, aspect.denominator] if aspect else [1, 1],
        "rotation": frame.rotation,
        "transfer": int(frame.color_trc),
        "matrix": int(frame.colorspace),
        "primaries": int(frame.color_primaries),
        "is_full_range": int(frame.color_range) == 2,
        "is_interlaced": bool(frame.interlaced_frame),
    }


def heard(frame: Any) -> dict[str, Any]:
    return {"layout": frame.layout.name, "rate": frame.sample_rate}


def main() -> None:
    """Limits first: a child orphaned by a killed worker must end by itself."""
    task, path, containers, seconds, *rest = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
    # Not PyAV's own callback: it wants Python's lock in the decoder's threads, which then wait for ever at the end.
    av.logging.restore_default_callback()
    av.logging.set_libav_level(av.logging.PANIC)
    try:
        seen = look(path, containers, *rest) if task == "look" else play(path, containers, *rest)
    except Unopened as error:
        seen = {"unopened": str(error)}
    except av.error.FFmpegError as error:
        seen = {"failed": message_of(error)}
    except MemoryError:
        seen = {"failed": f"it takes more than {MEMORY_BYTES // 1024**3} GiB of memory to decode"}
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
