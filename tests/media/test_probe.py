"""What the probe says of good, odd and hostile files."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.media import probe as probe_module
from jobs.media.probe import Probe, ProbeUnfinished, check_claims, probe
from jobs.media.refusals import MAX_SECONDS, Reason, Refused
from jobs.media.tracks import Track, track

Draw = Callable[..., Path]
Run = Callable[..., None]


def refusal(path: Path) -> Refused:
    with pytest.raises(Refused) as caught:
        probe(path)
    return caught.value


def stream(kind: str, seconds: float) -> Track:
    """A track whose header says what its packets say."""
    stated = {"index": 0, "type": kind, "codec": "any", "tag": "", "width": 640, "height": 360, "claimed": seconds}
    flags = {"is_default": True, "is_extra": False, "is_cover": False, "is_locked": False, "rates": []}
    packets = {"low": 0.0, "high": seconds, "end": seconds, "packets": 30, "bytes": 1, "encrypted": 0, "gaps": []}
    return track({**stated, **flags, **packets})


def test_a_clip_is_measured_by_its_packets(draw: Draw) -> None:
    seen = probe(draw("plain.mp4", seconds=1.5))
    assert (seen.width, seen.height, seen.codec, seen.is_hdr) == (360, 640, "h264", False)
    assert seen.seconds == pytest.approx(1.5)
    assert seen.audio_stream is not None


def test_a_clip_stored_lying_is_described_as_displayed(sideways: Path) -> None:
    seen = probe(sideways)
    assert (seen.width, seen.height) == (360, 640)


def test_a_clip_trimmed_by_an_edit_list_is_whole(draw: Draw, ffmpeg: Run, tmp_path: Path) -> None:
    ffmpeg("-ss", "1.2", "-i", draw("to_trim.mp4", seconds=4), "-c", "copy", tmp_path / "trimmed.mp4")
    assert probe(tmp_path / "trimmed.mp4").seconds == pytest.approx(2.8, abs=0.1)


def test_a_text_file_is_not_media(tmp_path: Path) -> None:
    (tmp_path / "letter.mp4").write_text("Dear Reelmill, " * 1000)
    assert refusal(tmp_path / "letter.mp4").reason == Reason.NOT_MEDIA


def test_an_empty_file_is_not_media(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert str(refusal(tmp_path / "empty.mp4")) == "not_media: the file is empty"


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone.mp4").reason == Reason.MISSING_FILE


def test_a_sound_without_pictures_is_rejected_with_its_reason(ffmpeg: Run, tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", tmp_path / "sound.m4a")
    assert refusal(tmp_path / "sound.m4a").reason == Reason.NO_VIDEO


def test_cover_art_is_no_video(draw: Draw, ffmpeg: Run, tmp_path: Path) -> None:
    ffmpeg("-i", draw("for_cover.mp4"), "-frames:v", "1", tmp_path / "cover.jpg")
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", tmp_path / "song.mp3")
    attached = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v", "attached_pic")
    ffmpeg("-i", tmp_path / "song.mp3", "-i", tmp_path / "cover.jpg", *attached, tmp_path / "covered.mp3")
    assert refusal(tmp_path / "covered.mp3").reason == Reason.NO_VIDEO


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("still.png", ()),
        ("still.jpg", ()),
        ("still.webp", ("-c:v", "libwebp")),
        ("still.avif", ("-c:v", "libaom-av1", "-cpu-used", "8", "-still-picture", "1")),
    ],
)
def test_a_photograph_is_a_still_image(
    draw: Draw, ffmpeg: Run, tmp_path: Path, name: str, coding: tuple[str, ...]
) -> None:
    ffmpeg("-i", draw("for_picture.mp4"), "-map", "0:v", "-frames:v", "1", *coding, tmp_path / name)
    assert refusal(tmp_path / name).reason == Reason.STILL_IMAGE


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile {}\n"])
def test_a_playlist_that_points_to_a_file_of_ours_is_not_opened(draw: Draw, tmp_path: Path, text: str) -> None:
    target = draw("secret.ts", extra=("-c:v", "mpeg2video"))
    for name in ("attack.m3u8", "attack.mp4", "attack.txt"):
        (tmp_path / name).write_text(text.format(target))
        assert refusal(tmp_path / name).reason == Reason.NOT_MEDIA


def test_a_clip_cut_off_in_transfer_is_truncated(draw: Draw, tmp_path: Path) -> None:
    whole = draw("faststart.mp4", seconds=3, extra=("-c:v", "libx264", "-movflags", "+faststart")).read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    assert refusal(tmp_path / "half.mp4").reason == Reason.TRUNCATED


def test_a_clip_cut_off_before_its_index_has_a_damaged_index(draw: Draw, tmp_path: Path) -> None:
    whole = draw("index_last.mp4", seconds=2).read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    assert refusal(tmp_path / "half.mp4").reason == Reason.DAMAGED_INDEX


def test_a_clip_whose_pictures_are_noise_is_undecodable(draw: Draw, tmp_path: Path) -> None:
    whole = bytearray(draw("to_spoil.mp4", seconds=1, sound=False).read_bytes())
    start, end = whole.find(b"mdat") + 4, whole.find(b"moov") - 4
    whole[start:end] = random.Random(1).randbytes(end - start)
    (tmp_path / "noise.mp4").write_bytes(whole)
    assert refusal(tmp_path / "noise.mp4").reason == Reason.UNDECODABLE


X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25")
TONE = ("-f", "lavfi", "-i", "sine=440:d=4")


def test_a_second_sound_that_lasts_longer_and_a_late_subtitle_make_no_clip_longer(
    draw: Draw, ffmpeg: Run, tmp_path: Path
) -> None:
    (tmp_path / "late.srt").write_text("1\n00:10:00,000 --> 00:10:01,000\nlate\n")
    clip, longer = draw("two_seconds.mp4", seconds=2, size="64x64"), tmp_path / "longer.mkv"
    maps = ("-map", "0", "-map", "1", "-map", "2", "-c:v", "copy", "-disposition:a:1", "0")
    ffmpeg("-i", clip, *TONE, "-i", tmp_path / "late.srt", *maps, "-output_ts_offset", "5000", longer)
    seen = probe(longer)
    assert seen.audio_stream == 1
    assert seen.seconds == pytest.approx(2, abs=0.05)


def test_a_picture_held_under_eight_seconds_of_sound_is_as_long_as_the_sound(
    draw: Draw, ffmpeg: Run, tmp_path: Path
) -> None:
    still = draw("one_frame.mp4", seconds=0.04, size="64x64", sound=False)
    ffmpeg("-i", still, "-f", "lavfi", "-i", "sine=440:d=8", "-c:v", "copy", tmp_path / "song.mp4")
    assert probe(tmp_path / "song.mp4").seconds == pytest.approx(8, abs=0.05)


def test_a_clock_that_jumps_two_hours_makes_no_clip_longer(draw: Draw, ffmpeg: Run, tmp_path: Path) -> None:
    clip = draw("half.mp4", seconds=2, size="64x64")
    for name, seconds in (("early.ts", "0"), ("late.ts", "7200")):
        ffmpeg("-i", clip, "-c", "copy", "-output_ts_offset", seconds, tmp_path / name)
    (tmp_path / "both.ts").write_bytes((tmp_path / "early.ts").read_bytes() + (tmp_path / "late.ts").read_bytes())
    assert probe(tmp_path / "both.ts").seconds == pytest.approx(4, abs=0.15)


@pytest.mark.parametrize(
    ("rate", "times"),
    [
        (30, "floor(N/2)*67+mod(N,2)*17"),
        (12, "floor(N/2)*167+mod(N,2)*33"),
        (30, "floor(N*1000/30)"),
    ],
)
def test_uneven_times_in_milliseconds_do_not_raise_the_frame_rate(
    ffmpeg: Run, tmp_path: Path, rate: int, times: str
) -> None:
    graph = f"testsrc2=s=64x64:r={rate}:d=4,settb=1/1000,setpts='{times}'"
    uneven = ("-fps_mode", "passthrough", "-enc_time_base", "1/1000", "-video_track_timescale", "1000")
    ffmpeg("-f", "lavfi", "-i", graph, *uneven, *X264, "-bf", "0", tmp_path / "uneven.mp4")
    assert float(probe(tmp_path / "uneven.mp4").frame_rate) == pytest.approx(rate, rel=0.02)


def test_the_sound_flagged_default_and_the_largest_picture_are_taken(draw: Draw, ffmpeg: Run, tmp_path: Path) -> None:
    small, large = draw("small.mp4", seconds=1, size="64x64"), draw("large.mp4", seconds=1, size="128x96")
    maps = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v", "0", "-disposition:a:0", "0")
    ffmpeg("-i", small, "-i", large, *maps, "-disposition:a:1", "default", tmp_path / "four.mkv")
    seen = probe(tmp_path / "four.mkv")
    assert (seen.width, seen.video_stream, seen.audio_stream) == (128, 2, 3)


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("spoilt.mp4", X264),
        ("spoilt.ts", X264),
        ("spoilt.mkv", X264),
        ("spoilt.webm", ("-c:v", "libvpx", "-b:v", "400k", "-g", "25", "-deadline", "realtime", "-cpu-used", "8")),
        ("spoilt.avi", ("-c:v", "mpeg4", "-q:v", "5")),
    ],
)
def test_a_clip_that_was_overwritten_with_zeros_is_damaged(
    draw: Draw, tmp_path: Path, name: str, coding: tuple[str, ...]
) -> None:
    whole = bytearray(draw(name, seconds=4, size="160x120", extra=coding).read_bytes())
    middle = slice(int(0.3 * len(whole)), int(0.7 * len(whole)))
    whole[middle] = bytes(len(whole[middle]))
    (tmp_path / name).write_bytes(whole)
    assert refusal(tmp_path / name).reason in (Reason.UNDECODABLE, Reason.TRUNCATED)


@pytest.mark.parametrize("coding", [X264, ("-c:v", "mpeg4", "-q:v", "5"), ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p")])
def test_a_clip_with_noise_in_its_bits_is_damaged(
    draw: Draw, ffmpeg: Run, tmp_path: Path, coding: tuple[str, ...]
) -> None:
    whole = draw("noisy.mkv", seconds=2, size="160x120", sound=False, extra=coding)
    ffmpeg("-i", whole, "-c", "copy", "-bsf:v", "noise=amount=50", tmp_path / "noise.mkv")
    refused = refusal(tmp_path / "noise.mkv")
    assert refused.reason == Reason.UNDECODABLE
    assert refused.detail.startswith("damaged: ")


def test_a_scratch_does_not_refuse_a_clip(draw: Draw, tmp_path: Path) -> None:
    whole = bytearray(draw("to_scratch.mkv", seconds=4, size="160x120", sound=False, extra=X264).read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 40] = bytes(40)
    (tmp_path / "scratched.mkv").write_bytes(whole)
    assert probe(tmp_path / "scratched.mkv").seconds == pytest.approx(4, abs=0.05)


def test_an_encrypted_clip_is_refused_as_encrypted(draw: Draw, ffmpeg: Run, tmp_path: Path) -> None:
    locked = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "0" * 32, "-encryption_kid", "1" * 32)
    ffmpeg("-i", draw("to_lock.mp4"), "-c", "copy", *locked, tmp_path / "locked.mp4")
    assert refusal(tmp_path / "locked.mp4").reason == Reason.ENCRYPTED


def test_a_few_bytes_that_declare_a_huge_frame_are_too_large(draw: Draw) -> None:
    huge = ("-c:v", "ffv1", "-frames:v", "1")
    clip = draw("huge.mkv", size="16384x4096", picture="color", sound=False, seconds=0.1, extra=huge)
    assert refusal(clip).reason == Reason.TOO_LARGE


def test_a_long_file_is_too_long_whatever_its_header_says(draw: Draw) -> None:
    slow = ("-c:v", "libx264", "-preset", "ultrafast", "-r", "1", "-movflags", "+frag_keyframe+empty_moov")
    clip = draw("long.mp4", seconds=MAX_SECONDS + 20, size="64x64", sound=False, extra=slow)
    assert refusal(clip).reason == Reason.TOO_LONG


def test_a_flash_is_too_short(draw: Draw) -> None:
    assert refusal(draw("flash.mp4", seconds=0.2, sound=False)).reason == Reason.TOO_SHORT


def test_an_icon_is_too_small_and_a_ribbon_has_a_bad_shape(draw: Draw) -> None:
    assert refusal(draw("icon.mp4", size="32x32")).reason == Reason.TOO_SMALL
    assert refusal(draw("ribbon.mp4", size="800x100")).reason == Reason.BAD_SHAPE


def test_a_heavy_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    with (tmp_path / "heavy.mp4").open("wb") as file:
        file.truncate(501 * 1024**2)
    assert str(refusal(tmp_path / "heavy.mp4")) == "too_large: 501 MiB, limit 500 MiB"


def test_a_machine_too_busy_to_read_a_file_says_nothing_of_the_file(
    draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_module, "LOOK_WALL_SECONDS", 0.01)
    with pytest.raises(ProbeUnfinished, match=r"plain\.mp4: killed after .*the next run tries again"):
        probe(draw("plain.mp4", seconds=1.5))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1), noise=st.binary(min_size=1, max_size=64), at=st.floats(0, 1))
def test_any_damaged_file_is_described_or_gets_a_typed_reason(
    draw: Draw, tmp_path: Path, cut: float, noise: bytes, at: float
) -> None:
    whole = bytearray(draw("to_damage.mp4", seconds=0.8).read_bytes())
    place = int(at * len(whole))
    whole[place : place + len(noise)] = noise
    (tmp_path / "damaged.mp4").write_bytes(whole[: max(1, int(cut * len(whole)))])
    try:
        assert isinstance(probe(tmp_path / "damaged.mp4"), Probe)
    except Refused as refused:
        assert str(refused).startswith(f"{refused.reason}: ")


def test_an_hour_of_sound_under_a_second_of_pictures_is_too_long() -> None:
    picture, sound = stream("video", seconds=1.0), stream("audio", seconds=3600.0)
    with pytest.raises(Refused, match="too_long: 3600 s"):
        check_claims({"jumps": False}, picture, [sound])


def test_three_minutes_and_the_filling_of_the_last_packet_are_not_too_long(ffmpeg: Run, tmp_path: Path) -> None:
    pictures = ("-f", "lavfi", "-i", "color=size=64x64:rate=2:duration=180")
    ffmpeg(*pictures, "-f", "lavfi", "-i", "sine=duration=180", *X264, "-f", "mpegts", tmp_path / "three.ts")
    assert probe(tmp_path / "three.ts").seconds == pytest.approx(MAX_SECONDS, abs=0.1)


def test_a_reason_never_says_that_the_limit_is_over_the_limit() -> None:
    with pytest.raises(Refused, match="too_long: 182 s, limit 180 s"):
        check_claims({"jumps": False}, stream("video", seconds=181.2), [])
