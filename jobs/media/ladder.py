"""Makes a clip playable: one decode into up to three H.264 + AAC rungs as HLS, and a poster.

Belongs here: the ffmpeg command, its settings, and what became of it. Its filters: graph.py. Sizes: geometry.py.
Folders that appear whole or not at all: store.py.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from jobs.errors import ReelmillError
from jobs.media import geometry, graph, hls
from jobs.media.geometry import Rung, rungs
from jobs.media.probe import CONTAINERS, Probe
from jobs.media.process import Finished, OutOfProcessorTime, Unfinished, run_bounded
from jobs.media.refusals import MAX_PIXELS, Reason, Refused

RECIPE = 3
"""Raise it whenever graph.py or the command below changes what comes out: it is part of the content hash."""

SEGMENT_SECONDS = 2
"""Short enough to start within one round trip, long enough that the container's overhead stays under 3 percent."""

Options = dict[str, str | int]
"""ffmpeg's options by name, without the dash."""

CRF = 24
PRESET = "veryfast"

SETTINGS = {
    "recipe": RECIPE,
    "top": geometry.TOP_SHORT_SIDE,
    "steps": geometry.STEPS,
    "least": geometry.LEAST_SHORT_SIDE,
    "bits_per_pixel": geometry.BITS_PER_PIXEL,
    "audio_kbps": geometry.AUDIO_KBPS,
    "segment": SEGMENT_SECONDS,
    "crf": CRF,
    "preset": PRESET,
    "max_rate": graph.MAX_FRAME_RATE,
}
"""Everything that decides the output beside the input bytes; hashed with them into the folder's name."""

CORES = 2
"""What one encoding keeps busy, 1.8 of them: its threads decode, filter and encode side by side."""

LADDER = "ladder.json"
"""What was measured of the renditions, beside them."""

JPEG_END = b"\xff\xd9"


class EncoderMissing(ReelmillError):
    """The ffmpeg binary cannot run: the machine is at fault, not the clip."""


class EncoderUnfinished(ReelmillError):
    """The encoding was ended from outside: the machine is at fault, not the clip, which is tried again."""


class DiskTrouble(ReelmillError):
    """The media store took no more bytes: the machine is at fault, not the clip."""


def command(source: Path, seen: Probe, ladder: list[Rung]) -> list[str]:
    """The one ffmpeg command that writes all rungs and the poster into its working directory."""
    import imageio_ffmpeg

    has_sound = seen.audio_stream is not None
    graphs = [graph.like_pictures(seen, ladder[-1]), graph.timed_pictures(seen, ladder)]
    if has_sound:
        graphs += [graph.like_sounds(seen), graph.timed_sounds(seen, len(ladder))]
    opening: Options = {
        "format_whitelist": CONTAINERS,
        "protocol_whitelist": "file",
        "max_pixels": MAX_PIXELS,
        "itsoffset": f"{-seen.start:.6f}",
        "threads": 2,
    }
    # Opened once more for the sound. ffmpeg holds back what is ahead of the output that is last, and the poster comes
    # at the end: of one reader, sound that begins late stood still, and the pictures behind it in the file with it.
    reading = [*flags(opening), "-i", str(source.absolute())]
    # One thread per encoder: x264's output depends on its thread count, and the rungs run side by side anyway.
    # Without B-frames a frame is decoded when it is shown; their delay is undone by edit lists, which browsers ignore.
    coding: Options = {"c:v": "libx264", "threads:v": 1, "preset": PRESET, "crf": CRF, "profile:v": "high", "bf": 0}
    # Keyframes by time and nowhere else, so that the rungs' segments start on the same frames.
    coding |= {"force_key_frames": f"expr:gte(t,n_forced*{SEGMENT_SECONDS})", "sc_threshold": 0, "g": 9999}
    if has_sound:
        coding |= {"c:a": "aac", "b:a": f"{geometry.AUDIO_KBPS}k"}
    maps: list[str] = []
    names = []
    for index, rung in enumerate(ladder):
        maps += ["-map", f"[v{index}]", *(["-map", f"[a{index}]"] if has_sound else [])]
        names.append(f"v:{index},a:{index},name:{rung.name}" if has_sound else f"v:{index},name:{rung.name}")
        coding |= {f"maxrate:v:{index}": f"{rung.max_kbps}k", f"bufsize:v:{index}": f"{2 * rung.max_kbps}k"}
    writing: Options = {"f": "hls", "hls_time": SEGMENT_SECONDS, "hls_playlist_type": "vod", "hls_list_size": 0}
    writing |= {"hls_segment_type": "fmp4", "hls_flags": "independent_segments", "hls_fmp4_init_filename": "init.mp4"}
    writing |= {"hls_segment_options": "use_editlist=0", "hls_segment_filename": "%v/%03d.m4s"}
    # 0: however far ahead the pictures are, their packets wait for the sound.
    writing |= {"var_stream_map": " ".join(names), "max_interleave_delta": 0}
    still: Options = {"f": "image2", "update": 1, "frames:v": 1, "pix_fmt": "yuvj420p", "q:v": 3}
    exact = flags({"flags": "+bitexact", "fflags": "+bitexact", "map_metadata": -1})
    run: Options = {"v": "error", "filter_complex_threads": 2, "timelimit": int(4 * limit_seconds(seen))}
    return [
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-y", *flags(run)),
        *(*reading, *(reading if has_sound else [])),
        *(part for text in graphs for part in ("-filter_complex", text)),
        *(*maps, *flags(coding | writing), *exact, "%v/index.m3u8"),
        *("-map", "[poster]", *flags(still), *exact, "poster.jpg"),
    ]


def flags(options: Options) -> list[str]:
    """{"crf": 23} as ["-crf", "23"]."""
    return [part for name, value in options.items() for part in (f"-{name}", str(value))]


def limit_seconds(seen: Probe) -> float:
    """Wall time for one clip: a minute, and twenty times its length; 4K on one busy core takes about five times."""
    return 60 + 20 * seen.seconds


def transcode(source: Path, seen: Probe, folder: Path) -> list[hls.Variant]:
    """Write the ladder, master.m3u8, poster.jpg and ladder.json into an empty folder.

    Raises Refused when the clip is at fault, EncoderMissing, EncoderUnfinished or DiskTrouble when the machine is.
    """
    ladder = rungs(seen.width, seen.height)
    try:
        finished = run_bounded(command(source, seen, ladder), seconds=limit_seconds(seen), cwd=folder)
    except OutOfProcessorTime as error:
        raise Refused(Reason.TIMED_OUT, f"encoding it: {error}") from None
    except Unfinished as error:
        raise EncoderUnfinished(f"encoding {source.name}: {error}; the next run tries again") from None
    except FileNotFoundError as error:
        raise EncoderMissing(
            f"cannot run ffmpeg ({error.strerror}: {error.filename}); reinstall the package imageio-ffmpeg"
        ) from None
    blame(finished, folder)
    try:
        variants = [
            hls.measure(folder, rung.name, rung.width, rung.height, seen.audio_stream is not None) for rung in ladder
        ]
    except (hls.BrokenPlaylist, FileNotFoundError) as error:
        # The clip has decoded, and ffmpeg ends well even when the disk took nothing of its last writes.
        raise DiskTrouble(f"ffmpeg ended well, yet {error}: is the disk below {folder.parent} full?") from None
    poster = folder / "poster.jpg"
    if not poster.is_file() or not poster.read_bytes().endswith(JPEG_END):
        raise DiskTrouble(f"ffmpeg ended well, yet its poster is not whole: is the disk below {folder.parent} full?")
    (folder / "master.m3u8").write_text(hls.master(variants))
    (folder / LADDER).write_text(json.dumps([asdict(v) for v in variants], indent=1) + "\n")
    return variants


def read_ladder(ladder: str) -> list[hls.Variant]:
    """The variants that `transcode` wrote down earlier, from the text of LADDER."""
    return [hls.Variant(**variant) for variant in json.loads(ladder)]


def blame(finished: Finished, folder: Path) -> None:
    """Raise for a run that failed: DiskTrouble when the disk is full, else Refused."""
    if finished.code == 0:
        return
    if os.strerror(28) in finished.last_words:
        raise DiskTrouble(f"no space left below {folder.parent}; free some and run the job again")
    raise Refused(Reason.UNDECODABLE, finished.ending)
