"""Makes a clip playable: one decode into up to three H.264 + AAC rungs as HLS, and a poster.

Belongs here: the ffmpeg graph and its settings. Sizes: geometry.py. Folders that appear whole or not at all: store.py.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jobs.errors import ReelmillError
from jobs.media import geometry, hls
from jobs.media.geometry import Rung, rungs
from jobs.media.probe import CONTAINERS, HLG, Probe
from jobs.media.process import Finished, OutOfProcessorTime, Unfinished, run_bounded
from jobs.media.refusals import MAX_PIXELS, MAX_SECONDS, Reason, Refused

RECIPE = 2
"""Raise it whenever the graph below changes what comes out: it is part of the content hash."""

SEGMENT_SECONDS = 2
"""Short enough to start within one round trip, long enough that the container's overhead stays under 3 percent."""

CRF = 23
PRESET = "veryfast"
MAX_FRAME_RATE = 60
POSTER_SAMPLE_SECONDS = 0.5
POSTER_SAMPLES = 60

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
    "max_rate": MAX_FRAME_RATE,
}
"""Everything that decides the output beside the input bytes; hashed with them into the folder's name."""

MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "smpte170m", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
"""H.273 matrix coefficients to the names of ffmpeg's scale filter."""

JPEG_END = b"\xff\xd9"

HD_SHORT_SIDE = 720
"""A clip that names no matrix is BT.709 from here on and BT.601 below, as decoders in phones and browsers assume."""


class EncoderMissing(ReelmillError):
    """The ffmpeg binary cannot run: the machine is at fault, not the clip."""


class EncoderUnfinished(ReelmillError):
    """The encoding was ended from outside: the machine is at fault, not the clip, which is tried again."""


class DiskTrouble(ReelmillError):
    """The media store took no more bytes: the machine is at fault, not the clip."""


def picture(clip: Any, seen: Probe, top: Rung) -> Any:
    """The decoded frames at the top rung's size: upright, square pixels, constant rate, SDR BT.709 limited range.

    ffmpeg turns the frames itself before the graph (autorotate). HDR is shrunk before it is tone-mapped, which then
    costs a tenth. Reference white is 203 nits for PQ and HLG alike (ITU-R BT.2408); the Moebius curve leaves what is
    darker than a third of it as it is, so that faces keep their brightness where Hable's dims them by a stop.
    """
    video = clip[str(seen.video_stream)]
    if seen.is_interlaced:
        video = video.filter("bwdif", deint="interlaced")
    # From the first moment of picture or sound to the last of either, so that both tracks are as long as the clip.
    video = video.filter("fps", fps=min(seen.frame_rate, MAX_FRAME_RATE), start_time=0)
    video = video.filter("tpad", stop=-1, stop_mode="clone").filter("trim", end=seen.seconds)
    if seen.is_hdr:
        # Named, not taken from the frames: a clip that says PQ and no primaries would stop the filter.
        name = "arib-std-b67" if seen.transfer == HLG else "smpte2084"
        given = {"tin": name, "pin": "bt2020", "min": "bt2020nc"}
        video = (
            video.filter("zscale", w=top.width, h=top.height, t="linear", npl=203, **given)
            .filter("format", "gbrpf32le")
            .filter("zscale", p="bt709")
            .filter("tonemap", "mobius", desat=0)
            .filter("zscale", t="bt709", m="bt709", r="tv")
        )
    else:
        short = min(seen.width, seen.height)
        matrix = MATRICES.get(seen.matrix, "bt709" if short >= HD_SHORT_SIDE else "smpte170m")
        video = video.filter(
            "scale",
            top.width,
            top.height,
            in_color_matrix=matrix,
            in_range="pc" if seen.is_full_range else "tv",
            out_color_matrix="bt709",
            out_range="tv",
            flags="bicubic+accurate_rnd+bitexact",
        )
    tags = {"range": "tv", "color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}
    return video.filter("format", "yuv420p").filter("setparams", **tags).filter("setsar", 1)


def command(source: Path, seen: Probe, ladder: list[Rung]) -> list[str]:
    """The one ffmpeg command that writes all rungs and the poster into its working directory."""
    import ffmpeg
    import imageio_ffmpeg

    seconds = limit_seconds(seen)
    clip = ffmpeg.input(
        str(source.absolute()),
        format_whitelist=CONTAINERS,
        protocol_whitelist="file",
        max_pixels=MAX_PIXELS,
        itsoffset=f"{-seen.start:.6f}",
        threads=2,
    )
    parts = picture(clip, seen, ladder[-1]).filter_multi_output("split", len(ladder) + 1)
    poster = (
        parts[len(ladder)]
        .filter("select", f"isnan(prev_selected_t)+gte(t-prev_selected_t,{POSTER_SAMPLE_SECONDS})")
        .filter("thumbnail", n=POSTER_SAMPLES)
        # JPEG viewers take full range and BT.601 for granted.
        .filter("scale", out_range="pc", out_color_matrix="smpte170m", flags="bicubic+accurate_rnd+bitexact")
    )
    sounds = None
    if seen.audio_stream is not None:
        sound = clip[str(seen.audio_stream)].filter("aresample", 48000, **{"async": 1, "first_pts": 0})
        sound = sound.filter("apad").filter("atrim", end=seen.seconds)
        sounds = sound.filter("aformat", channel_layouts="stereo").filter_multi_output("asplit", len(ladder))
    streams: list[Any] = []
    options: dict[str, Any] = {}
    names = []
    for index, rung in enumerate(ladder):
        part = parts[index]
        if rung is not ladder[-1]:
            part = part.filter("scale", rung.width, rung.height, flags="bicubic+accurate_rnd+bitexact")
        streams += [part] if sounds is None else [part, sounds[index]]
        names.append(f"v:{index},name:{rung.name}" if sounds is None else f"v:{index},a:{index},name:{rung.name}")
        options[f"maxrate:v:{index}"] = f"{rung.max_kbps}k"
        options[f"bufsize:v:{index}"] = f"{2 * rung.max_kbps}k"
    if sounds is not None:
        options |= {"c:a": "aac", "b:a": f"{geometry.AUDIO_KBPS}k"}
    # One thread per encoder: x264's output depends on its thread count, and the rungs run side by side anyway.
    options |= {"c:v": "libx264", "threads:v": 1, "preset": PRESET, "crf": CRF, "profile:v": "high"}
    # Keyframes by time and nowhere else, so that the rungs' segments start on the same frames.
    options |= {"force_key_frames": f"expr:gte(t,n_forced*{SEGMENT_SECONDS})", "sc_threshold": 0, "g": 9999}
    options |= {"format": "hls", "hls_time": SEGMENT_SECONDS, "hls_playlist_type": "vod", "hls_list_size": 0}
    options |= {"hls_segment_type": "fmp4", "hls_flags": "independent_segments", "hls_fmp4_init_filename": "init.mp4"}
    options |= {"hls_segment_filename": "%v/%03d.m4s", "var_stream_map": " ".join(names)}
    # A liar in the middle of the stream may still jump hours ahead: nothing is written beyond the limit.
    exact = {"t": MAX_SECONDS + SEGMENT_SECONDS, "flags": "+bitexact", "fflags": "+bitexact", "map_metadata": -1}
    hls_output = ffmpeg.output(*streams, "%v/index.m3u8", **options, **exact)
    still = ffmpeg.output(
        poster, "poster.jpg", format="image2", update=1, vframes=1, pix_fmt="yuvj420p", **{"q:v": 3}, **exact
    )
    both = ffmpeg.merge_outputs(hls_output, still).global_args(
        "-nostdin", "-hide_banner", "-v", "error", "-filter_complex_threads", "2", "-timelimit", str(int(4 * seconds))
    )
    arguments: list[str] = ffmpeg.compile(both, cmd=imageio_ffmpeg.get_ffmpeg_exe(), overwrite_output=True)
    return arguments


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
    (folder / "ladder.json").write_text(json.dumps([asdict(v) for v in variants], indent=1) + "\n")
    return variants


def read_ladder(folder: Path) -> list[hls.Variant]:
    """The variants that `transcode` wrote into a folder earlier."""
    return [hls.Variant(**variant) for variant in json.loads((folder / "ladder.json").read_text())]


def blame(finished: Finished, folder: Path) -> None:
    """Raise for a run that failed: DiskTrouble when the disk is full, else Refused."""
    if finished.code == 0:
        return
    if os.strerror(28) in finished.last_words:
        raise DiskTrouble(f"no space left below {folder.parent}; free some and run the job again")
    raise Refused(Reason.UNDECODABLE, finished.ending)
