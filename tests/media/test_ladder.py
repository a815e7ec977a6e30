"""What the ladder writes: upright, square, SDR, aligned, and the same bytes every time."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from jobs.media import hls, ladder
from jobs.media.hls import Variant
from jobs.media.ladder import EncoderMissing, EncoderUnfinished, read_ladder, transcode
from jobs.media.probe import PQ, probe

Draw = Callable[..., Path]
Run = Callable[..., None]


def make(clip: Path, folder: Path) -> list[Variant]:
    folder.mkdir()
    return transcode(clip, probe(clip), folder)


def begins(packet: av.Packet[av.VideoStream]) -> float:
    assert packet.pts is not None and packet.time_base is not None
    return round(float(packet.pts * packet.time_base), 3)


def first_frame(playlist: Path) -> av.VideoFrame:
    with av.open(str(playlist)) as container:
        return next(container.decode(video=0))


def mean_colour(pixels: np.ndarray) -> list[int]:
    return [round(x) for x in pixels.reshape(-1, 3).mean(axis=0)]


@pytest.fixture(scope="module")
def made(draw: Draw, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A five-second 720x1280 clip with sound, and its ladder."""
    folder = tmp_path_factory.mktemp("ladder") / "made"
    make(draw("five_seconds.mp4", seconds=5, size="720x1280"), folder)
    return folder


def test_a_clip_gets_three_rungs_a_master_and_a_poster(made: Path) -> None:
    variants = read_ladder((made / ladder.LADDER).read_text())
    assert [v.name for v in variants] == ["360p", "540p", "720p"]
    assert all(v.first_bytes and v.first_bytes[-1] == v.bytes for v in variants)
    with av.open(str(made / "master.m3u8")) as container:
        assert len(container.streams.video) == len(container.streams.audio) == 3
    with av.open(str(made / "poster.jpg")) as container:
        poster = next(container.decode(video=0))
    assert (poster.width, poster.height) == (720, 1280)


def test_segments_of_all_rungs_start_on_the_same_frames(made: Path) -> None:
    lengths = [
        re.findall(r"#EXTINF:([\d.]+)", (made / name / "index.m3u8").read_text()) for name in ("360p", "540p", "720p")
    ]
    assert lengths[0] == lengths[1] == lengths[2] == ["2.000000", "2.000000", "1.000000"]
    starts = []
    for name in ("360p", "720p"):
        with av.open(str(made / name / "index.m3u8")) as container:
            video = container.streams.video[0]
            starts.append([begins(packet) for packet in container.demux(video) if packet.is_keyframe])
    assert starts[0] == starts[1]
    assert len(starts[0]) == 3


def test_the_master_states_bandwidths_that_no_segment_exceeds(made: Path) -> None:
    stated = dict(re.findall(r"BANDWIDTH=(\d+),AVERAGE.*\n(\S+)", (made / "master.m3u8").read_text()))
    for bandwidth, playlist in stated.items():
        for segment in sorted((made / playlist).parent.glob("*.m4s"))[:2]:
            assert segment.stat().st_size * 8 / 2.0 <= int(bandwidth) + 1


def test_the_master_states_the_codecs_that_are_in_the_segments(made: Path) -> None:
    for line in (made / "master.m3u8").read_text().splitlines():
        if line.startswith("#EXT-X-STREAM-INF"):
            assert re.search(r'CODECS="avc1\.6400[0-9a-f]{2},mp4a\.40\.2"', line)


def test_the_same_clip_gives_the_same_bytes(draw: Draw, made: Path, tmp_path: Path) -> None:
    make(draw("five_seconds.mp4", seconds=5, size="720x1280"), tmp_path / "again")
    first = {p.relative_to(made): p.read_bytes() for p in made.rglob("*") if p.is_file()}
    again = {p.relative_to(tmp_path / "again"): p.read_bytes() for p in (tmp_path / "again").rglob("*") if p.is_file()}
    assert first == again


def test_a_clip_stored_lying_comes_out_upright_without_a_display_matrix(sideways: Path, tmp_path: Path) -> None:
    variants = make(sideways, tmp_path / "upright")
    assert (variants[-1].width, variants[-1].height) == (360, 640)
    for variant in variants:
        frame = first_frame(tmp_path / "upright" / variant.playlist)
        assert (frame.width, frame.height, frame.rotation) == (variant.width, variant.height, 0)
        pixels = frame.to_ndarray(format="rgb24")
        red, blue = (
            mean_colour(pixels[: frame.height // 2 - 10]),
            mean_colour(pixels[frame.height // 2 + 10 :]),
        )
        assert red[0] > 200 and red[2] < 50
        assert blue[2] > 200 and blue[0] < 50


def test_a_clip_without_sound_gets_no_sound_track(draw: Draw, tmp_path: Path) -> None:
    variants = make(draw("silent.mp4", sound=False), tmp_path / "silent")
    assert {v.audio_codec for v in variants} == {None}
    assert "mp4a" not in (tmp_path / "silent" / "master.m3u8").read_text()
    with av.open(str(tmp_path / "silent" / variants[0].playlist)) as container:
        assert not container.streams.audio


def test_wide_pixels_become_square(draw: Draw, tmp_path: Path) -> None:
    wide = ("-vf", "setsar=2", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    variants = make(draw("wide_pixels.mp4", size="320x360", extra=wide), tmp_path / "square")
    assert (variants[-1].width, variants[-1].height) == (640, 360)
    with av.open(str(tmp_path / "square" / variants[-1].playlist)) as container:
        assert container.streams.video[0].sample_aspect_ratio in (None, 1)


def test_odd_sides_lose_a_pixel_not_the_clip(draw: Draw, tmp_path: Path) -> None:
    odd = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p")
    variants = make(draw("odd.mp4", size="241x427", extra=odd), tmp_path / "odd")
    assert (variants[-1].width, variants[-1].height) == (240, 426)


def test_hdr_becomes_sdr_and_is_tagged_so(draw: Draw, tmp_path: Path) -> None:
    hdr = (
        "-vf",
        "zscale=t=smpte2084:p=bt2020:m=bt2020nc:tin=bt709:pin=bt709:min=bt709:npl=203,format=yuv420p10le",
        *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"),
        *("-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc"),
    )
    clip = draw("hdr.mp4", picture="color=gray", size="360x640", extra=hdr, sound=False).absolute()
    assert probe(clip).transfer == PQ
    variants = make(clip, tmp_path / "sdr")
    frame = first_frame(tmp_path / "sdr" / variants[-1].playlist)
    assert (frame.color_trc, frame.colorspace, frame.color_primaries, frame.color_range) == (1, 1, 1, 1)
    assert frame.format.name == "yuv420p"
    # Tone-mapping bends the highlights only: what was mid grey below reference white is mid grey.
    assert mean_colour(frame.to_ndarray(format="rgb24")) == [pytest.approx(128, abs=4)] * 3


def test_full_range_grey_comes_out_as_the_same_grey(draw: Draw, tmp_path: Path) -> None:
    full = ("-vf", "scale=out_range=pc", "-c:v", "libx264", "-pix_fmt", "yuvj420p", "-color_range", "pc")
    clip = draw("full_range.mp4", picture="color=gray", extra=full, sound=False)
    variants = make(clip, tmp_path / "limited")
    assert (
        mean_colour(first_frame(tmp_path / "limited" / variants[-1].playlist).to_ndarray(format="rgb24"))
        == [pytest.approx(128, abs=2)] * 3
    )


def test_the_poster_is_not_the_black_of_a_fade_in(draw: Draw, tmp_path: Path) -> None:
    fading = ("-vf", "fade=in:0:30", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    make(draw("fade.mp4", seconds=4, picture="color=white", extra=fading), tmp_path / "fade")
    with av.open(str(tmp_path / "fade" / "poster.jpg")) as container:
        assert next(container.decode(video=0)).to_ndarray(format="gray").mean() > 200


def test_an_encode_that_runs_out_of_wall_time_is_the_machines_trouble(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "limit_seconds", lambda seen: 0.3)
    with pytest.raises(EncoderUnfinished, match=r"five_seconds\.mp4: killed after .*the next run tries again"):
        make(draw("five_seconds.mp4", seconds=5, size="720x1280"), tmp_path / "slow")


def test_sound_that_outlasts_the_picture_makes_every_length_its_own(draw: Draw, ffmpeg: Run, tmp_path: Path) -> None:
    short, tone = draw("short.mp4", seconds=1, size="64x64", sound=False), ("-f", "lavfi", "-i", "sine=440:d=3")
    ffmpeg("-i", short, *tone, "-c:v", "copy", "-c:a", "aac", tmp_path / "longer.mp4")
    assert probe(tmp_path / "longer.mp4").seconds == pytest.approx(3, abs=0.02)
    (variant,) = make(tmp_path / "longer.mp4", tmp_path / "made")
    assert variant.seconds == pytest.approx(3, abs=0.04)
    with av.open(str(tmp_path / "made" / variant.playlist)) as container:
        frames = list(container.decode(video=0))
        assert len(frames) == pytest.approx(90, abs=1)
        assert frames[-1].time == pytest.approx(3, abs=0.1)


def test_a_segment_that_a_full_disk_cut_off_is_never_published(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "cut")
    segment = tmp_path / "cut" / "360p" / "001.m4s"
    segment.write_bytes(segment.read_bytes()[:-100])
    with pytest.raises(hls.BrokenPlaylist, match=r"360p/001\.m4s is cut off"):
        hls.measure(tmp_path / "cut", "360p", 360, 640, has_audio=True)


def test_a_missing_encoder_is_the_machines_fault_and_not_the_clips(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "no-such-ffmpeg"))
    with pytest.raises(EncoderMissing, match="reinstall the package imageio-ffmpeg"):
        make(draw("silent.mp4", sound=False), tmp_path / "none")


def test_a_last_segment_of_one_frame_is_no_peak() -> None:
    assert hls.peak_bps([250_000, 250_000, 20_000], [2.0, 2.0, 0.033]) == round(270_000 * 8 / 2.033)
    assert hls.peak_bps([30_000], [0.5]) == 480_000
