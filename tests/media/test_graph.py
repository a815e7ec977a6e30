"""What a browser gets: picture and sound from 0 to one end, nothing stretched, doubled, silenced or out of time.

Measured on the published segments without their edit lists, which browsers ignore.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from jobs.media.ladder import transcode
from jobs.media.probe import probe

Run = Callable[..., None]

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@dataclass(frozen=True)
class Played:
    """The smallest rung: starts and ends of its tracks in seconds, frames as RGB with their times, sound at 48 kHz."""

    boxes: bytes
    starts: tuple[float, ...]
    ends: tuple[float, ...]
    playlist_seconds: float
    times: list[float]
    frames: list[np.ndarray]
    sound: np.ndarray

    def loudness(self, start: float, end: float) -> float:
        """Root of the mean square of both channels from start to end, in dB of full scale."""
        part = self.sound[:, round(start * 48000) : round(end * 48000)].astype(float)
        return float(10 * np.log10(max((part**2).mean(), 1e-12)))


def play(clip: Path, folder: Path) -> Played:
    folder.mkdir()
    rung = (folder / transcode(clip, probe(clip), folder)[0].playlist).parent
    playlist = (rung / "index.m3u8").read_text()
    names = re.findall(r'URI="(.+)"', playlist) + re.findall(r"^(?!#)(.+)$", playlist, re.MULTILINE)
    whole = folder / "whole.mp4"
    whole.write_bytes(b"".join((rung / name).read_bytes() for name in names))
    starts, ends = [], []
    with av.open(str(whole), options={"ignore_editlist": "1"}) as container:
        for stream in (*container.streams.video, *container.streams.audio):
            container.seek(0)
            packets = [p for p in container.demux(stream) if p.size]
            starts.append(seconds(packets[0].pts, packets[0].time_base))
            ends.append(max(seconds(p.pts, p.time_base) + seconds(p.duration, p.time_base) for p in packets))
        container.seek(0)
        pictures = list(container.decode(video=0))
    sounds: list[np.ndarray] = []
    with av.open(str(whole), options={"ignore_editlist": "1"}) as container:
        if container.streams.audio:
            sounds = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return Played(
        boxes=whole.read_bytes(),
        starts=tuple(starts),
        ends=tuple(ends),
        playlist_seconds=sum(map(float, re.findall(r"#EXTINF:([\d.]+)", playlist))),
        times=[float(frame.time or 0) for frame in pictures],
        frames=[frame.to_ndarray(format="rgb24") for frame in pictures],
        sound=np.concatenate(sounds, axis=1) if sounds else np.zeros((2, 0)),
    )


def seconds(ticks: int | None, unit: Fraction | None) -> float:
    """What a stream counts in its own unit; one that gives no time is no stream to play."""
    assert ticks is not None and unit is not None
    return float(ticks * unit)


def joined(ffmpeg: Run, folder: Path, *parts: Path) -> Path:
    """The parts one after the other in one file, not encoded again."""
    (folder / "parts.txt").write_text("".join(f"file {part.name}\n" for part in parts))
    whole = folder / f"joined{parts[0].suffix}"
    ffmpeg("-f", "concat", "-i", folder / "parts.txt", "-c", "copy", whole)
    return whole


def has_composition_offsets(boxes: bytes) -> bool:
    """Whether any run of samples (trun, ISO/IEC 14496-12 8.8.8) carries them: bit 0x800 of its flags."""
    runs = [int.from_bytes(boxes[at.end() + 1 : at.end() + 4]) for at in re.finditer(b"trun", boxes)]
    assert runs
    return any(flags & 0x800 for flags in runs)


def test_a_flash_and_a_beep_at_one_time_are_shown_and_heard_at_one_time(ffmpeg: Run, tmp_path: Path) -> None:
    flash = "color=black:size=180x320:rate=30:duration=2,drawbox=color=white:t=fill:enable='gte(t,1)'"
    beep = "aevalsrc='0.3*sin(2000*PI*t)*gte(t,1)':duration=2"
    ffmpeg("-f", "lavfi", "-i", flash, "-f", "lavfi", "-i", beep, *X264, "-c:a", "pcm_s16le", tmp_path / "clap.mkv")
    seen = play(tmp_path / "clap.mkv", tmp_path / "made")
    flashed = next(time for time, frame in zip(seen.times, seen.frames, strict=True) if frame.mean() > 128)
    beeped = float(np.argmax(np.abs(seen.sound[0]) > 0.05)) / 48000
    assert flashed == pytest.approx(1.0, abs=0.001)
    assert beeped == pytest.approx(1.0, abs=0.005)
    assert seen.starts == (0, 0)
    assert b"elst" not in seen.boxes and not has_composition_offsets(seen.boxes)


@pytest.mark.parametrize(("late", "early"), [("sound", "picture"), ("picture", "sound")])
def test_a_track_that_begins_late_is_filled_from_the_start(ffmpeg: Run, tmp_path: Path, late: str, early: str) -> None:
    kinds = {"picture": "testsrc2=size=180x320:rate=30:duration=2", "sound": "sine=duration=2"}
    ffmpeg(
        *("-f", "lavfi", "-i", kinds[early], "-itsoffset", "0.5", "-f", "lavfi", "-i", kinds[late]),
        *(*X264, "-c:a", "pcm_s16le", tmp_path / "late.mkv"),
    )
    # Ten times: read by one input, every fifth stood still for ever.
    assert {play(tmp_path / "late.mkv", tmp_path / f"made{turn}").starts for turn in range(10)} == {(0, 0)}


def test_sound_that_ends_early_is_followed_by_silence_to_the_end_of_the_picture(ffmpeg: Run, tmp_path: Path) -> None:
    picture = "testsrc2=size=180x320:rate=30:duration=5"
    ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=duration=1", *X264, tmp_path / "short.mp4")
    seen = play(tmp_path / "short.mp4", tmp_path / "made")
    picture_end, sound_end = seen.ends
    assert picture_end == pytest.approx(5, abs=0.001)
    assert sound_end == pytest.approx(5, abs=0.025)
    assert seen.loudness(0.1, 0.9) > -30
    assert seen.loudness(1.2, 4.9) < -80


def test_sound_that_pauses_is_silent_there_and_goes_on_in_time(ffmpeg: Run, tmp_path: Path) -> None:
    tone = ("-f", "lavfi", "-i", "sine=duration=6", "-af", "aselect='not(between(t,1,4))'", "-c:a", "pcm_s16le")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=180x320:rate=30:duration=6", *tone, *X264, tmp_path / "pause.mkv")
    seen = play(tmp_path / "pause.mkv", tmp_path / "made")
    assert [round(seen.loudness(*span)) > -40 for span in ((0.2, 0.9), (1.2, 3.9), (4.2, 5.9))] == [True, False, True]


@pytest.mark.parametrize("rate", ["1", "1/3", "29.97"])
def test_a_clip_of_any_frame_rate_begins_at_0_and_has_its_length_in_segments_of_two_seconds(
    ffmpeg: Run, tmp_path: Path, rate: str
) -> None:
    picture = f"testsrc2=size=180x320:rate={rate}:duration=6"
    ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=duration=6", *X264, tmp_path / "slow.mp4")
    seen = play(tmp_path / "slow.mp4", tmp_path / "made")
    assert seen.starts == (0, 0)
    assert seen.ends == pytest.approx((6, 6), abs=0.05)
    assert seen.playlist_seconds == pytest.approx(6, abs=0.05)
    assert seen.boxes.count(b"moof") >= 3


def test_a_clip_that_turns_on_the_way_keeps_its_length_its_sound_and_its_shapes(ffmpeg: Run, tmp_path: Path) -> None:
    coding = ("-c:v", "libvpx", "-b:v", "150k", "-c:a", "libopus")
    for name, colour, size in (("lying.webm", "blue", "320x240"), ("upright.webm", "red", "240x320")):
        picture = f"color={colour}:size={size}:rate=25:duration=3"
        ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=duration=3", *coding, tmp_path / name)
    clip = joined(ffmpeg, tmp_path, tmp_path / "lying.webm", tmp_path / "upright.webm")
    seen = play(clip, tmp_path / "made")
    assert seen.ends == pytest.approx((6, 6), abs=0.1)
    assert min(seen.loudness(at / 10, at / 10 + 0.1) for at in range(1, 58)) > -30
    first, last = seen.frames[25], seen.frames[-10]
    assert (first[..., 2] > 200).all()
    height, width = last.shape[:2]
    assert (last[..., 0] > 128).mean() * width == pytest.approx(height * 240 / 320, abs=4)


def test_a_layout_and_a_rate_of_sound_that_change_on_the_way_leave_no_silence(ffmpeg: Run, tmp_path: Path) -> None:
    picture = ("-f", "lavfi", "-i", "testsrc2=size=180x320:rate=25:duration=2")
    tone = ("-f", "lavfi", "-i", "sine=duration=2:sample_rate=48000")
    ffmpeg(*picture, *tone, *X264, "-c:a", "aac", "-ac", "1", tmp_path / "one.ts")
    ffmpeg(*picture, *tone, *X264, "-c:a", "aac", "-ac", "2", "-ar", "44100", tmp_path / "two.ts")
    clip = joined(ffmpeg, tmp_path, tmp_path / "one.ts", tmp_path / "two.ts")
    seen = play(clip, tmp_path / "made")
    assert seen.ends == pytest.approx((4, 4), abs=0.15)
    quiet = [at for at in range(1, 38) if seen.loudness(at / 10, at / 10 + 0.1) < -30]
    assert quiet == []


@pytest.mark.parametrize("layout", ["mono|c0=c0", "5.1|FC=c0", "5.1|FL=c0|FR=c0", "7.1|FC=c0"])
def test_a_tone_is_as_loud_from_the_centre_as_from_both_sides(ffmpeg: Run, tmp_path: Path, layout: str) -> None:
    picture = ("-f", "lavfi", "-i", "testsrc2=size=180x320:rate=25:duration=1")
    tone = ("-f", "lavfi", "-i", f"sine=frequency=1000:duration=1,volume=8dB,pan={layout}")
    ffmpeg(*picture, *tone, *X264, "-c:a", "pcm_s16le", tmp_path / "tone.mkv")
    # A sine of 1/8 of full scale, raised by 8 dB.
    assert play(tmp_path / "tone.mkv", tmp_path / "made").loudness(0.2, 0.8) == pytest.approx(-13.07, abs=0.3)


def test_channels_that_add_up_to_more_than_full_scale_are_turned_down_and_not_clipped(
    ffmpeg: Run, tmp_path: Path
) -> None:
    picture = ("-f", "lavfi", "-i", "testsrc2=size=180x320:rate=25:duration=1")
    tone = ("-f", "lavfi", "-i", "sine=frequency=1000:duration=1,volume=17dB,pan=5.1|FL=c0|FR=c0|FC=c0|BL=c0|BR=c0")
    ffmpeg(*picture, *tone, *X264, "-c:a", "pcm_s16le", tmp_path / "loud.mkv")
    sound = play(tmp_path / "loud.mkv", tmp_path / "made").sound[0, 14400:38400]
    power = np.abs(np.fft.rfft(sound)) ** 2
    # A clipped tone has a tenth of its power in overtones. 24,000 samples put 1 kHz into bin 500.
    assert power[495:506].sum() / power.sum() > 0.99


def combs(frame: np.ndarray) -> float:
    """How much a line differs from the mean of the lines around it; upright edges have no such difference."""
    grey = frame.astype(float).mean(axis=2)
    return float(np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2).mean())


def test_parts_that_are_interlaced_lose_their_combs_though_the_clip_begins_without(ffmpeg: Run, tmp_path: Path) -> None:
    bars = "pal100bars=size=320x180:rate={rate}:duration=1,scroll=h={step}"
    coding = ("-c:v", "mpeg2video", "-q:v", "2")
    ffmpeg("-f", "lavfi", "-i", bars.format(rate=25, step=0.03), *coding, tmp_path / "whole.ts")
    fields = f"{bars.format(rate=50, step=0.015)},tinterlace=interleave_top"
    ffmpeg("-f", "lavfi", "-i", fields, *coding, "-flags", "+ilme+ildct", "-field_order", "tt", tmp_path / "fields.ts")
    with av.open(str(tmp_path / "fields.ts")) as container:
        source = [combs(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert min(source) > 2
    seen = play(joined(ffmpeg, tmp_path, tmp_path / "whole.ts", tmp_path / "fields.ts"), tmp_path / "made")
    assert max(combs(frame) for frame in seen.frames[28:48]) < 1


@pytest.mark.parametrize("colour", ["c04040", "40a040", "4040c0"])
def test_colours_of_bt2020_without_hdr_are_the_same_colours_in_bt709(ffmpeg: Run, tmp_path: Path, colour: str) -> None:
    picture = f"color=0x{colour}:size=180x320:rate=25:duration=1,format=gbrp,zscale=min=gbr:pin=bt709:tin=bt709"
    wide = f"{picture}:p=bt2020:t=bt709:m=bt2020nc:r=limited,format=yuv420p10le"
    tags = ("-color_primaries", "bt2020", "-color_trc", "bt2020-10", "-colorspace", "bt2020nc")
    ffmpeg("-f", "lavfi", "-i", wide, "-c:v", "libx265", "-x265-params", "log-level=none", *tags, tmp_path / "wide.mp4")
    seen = play(tmp_path / "wide.mp4", tmp_path / "made")
    shown = seen.frames[5].reshape(-1, 3).mean(axis=0)
    assert list(shown) == [pytest.approx(channel, abs=6) for channel in bytes.fromhex(colour)]
