"""The real clips and the hostile files that lie beside the project, when they are there."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from jobs.media.hls import Variant
from jobs.media.ladder import transcode
from jobs.media.probe import probe
from jobs.media.refusals import Refused

CLIPS = (
    "car-detection.mp4",
    "chair-orig-22-sd-bar.mp4",
    "doorknob-hd-no-bar.mp4",
    "hdr10-av1.mp4",
    "internal_emulator_transformer_output_270_rotated.mp4",
    "pattern-hd-no-bar.mp4",
    "sample_edit_list.mp4",
    "sign-book.mkv",
    "sign-help.mkv",
    "sign-learn.mkv",
    "sign-sister.mkv",
    "sign-walk.mkv",
    "sign-want.mkv",
)
SIZE = 48
pytestmark = pytest.mark.clips


def small_grey(frame: av.VideoFrame) -> np.ndarray:
    """The picture as displayed, squeezed into a square of SIZE pixels, mean 0 and deviation 1."""
    grey = frame.reformat(SIZE, SIZE, format="gray").to_ndarray().astype(float)
    # The display matrix and numpy both turn counter-clockwise.
    turned = np.rot90(grey, frame.rotation // 90)
    normal: np.ndarray = (turned - turned.mean()) / turned.std()
    return normal


def first_picture(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return small_grey(next(container.decode(video=0)))


def made(clip: Path, folder: Path) -> list[Variant]:
    folder.mkdir()
    return transcode(clip, probe(clip), folder)


def test_all_real_clips_are_listed_here(shared: Path) -> None:
    assert tuple(sorted(path.name for path in (shared / "media" / "clips").iterdir())) == CLIPS


@pytest.mark.parametrize("name", CLIPS)
def test_a_real_clip_comes_out_upright(shared: Path, tmp_path: Path, name: str) -> None:
    clip = shared / "media" / "clips" / name
    variants = made(clip, tmp_path / "made")
    wanted = first_picture(clip)
    for variant in variants:
        with av.open(str(tmp_path / "made" / variant.playlist)) as container:
            frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (variant.width, variant.height, 0)
        got = small_grey(frame)
        likeness = float((wanted * got).mean())
        assert likeness > 0.9
        for turns in (1, 2, 3):
            assert likeness > float((wanted * np.rot90(got, turns)).mean()) + 0.1
        assert likeness > float((wanted * np.fliplr(got)).mean())


ENDINGS = {
    "long_1080p_lowbitrate.mp4": "too_long: 363 s, limit 180 s",
    "sample_fragmented.mp4": "published",
    "sample_missing_stsd.mp4": "published without sound",
    "sample_with_invalid_nalu.mp4": "published",
    "sample_without_stss.mp4": "published",
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("name", "ending"), ENDINGS.items())
def test_a_hostile_file_is_published_or_gets_its_reason(shared: Path, tmp_path: Path, name: str, ending: str) -> None:
    clip = shared / "media" / "hostile" / name
    try:
        seen = probe(clip)
        variants = transcode(clip, seen, tmp_path)
    except Refused as refused:
        assert str(refused) == ending
        return
    assert ending == ("published without sound" if seen.has_dead_audio else "published")
    assert variants[-1].seconds == pytest.approx(1.0, abs=0.1)


def test_all_hostile_files_are_listed_here(shared: Path) -> None:
    assert {path.name for path in (shared / "media" / "hostile").iterdir()} == set(ENDINGS)


def test_a_sound_file_is_no_video(shared: Path) -> None:
    for path in sorted((shared / "media" / "sounds").iterdir()):
        with pytest.raises(Refused, match="no_video: ogg"):
            probe(path)
