"""Where a player begins: what the first seconds weigh, and which rendition is light enough."""

from jobs.media.hls import Variant, first_bytes
from jobs.media.opening import START_BYTES, opening


def variant(name: str, first_second: int | None) -> Variant:
    weights = None if first_second is None else [first_second, first_second, 2 * first_second, 3 * first_second]
    return Variant(name, 360, 640, 6.0, 1, 1, 1, "avc1.64001f", None, f"{name}/index.m3u8", weights)


def test_the_first_seconds_weigh_the_whole_segments_that_hold_them() -> None:
    assert first_bytes(7, [100, 80, 60], [2.0, 2.0, 2.0]) == [107, 107, 187, 247]
    # A clip may be shorter, and a segment by a frame.
    assert first_bytes(7, [100, 80], [1.967, 1.2]) == [107, 107, 187, 187]


def test_the_largest_rendition_that_is_light_enough_is_the_one_to_start_with() -> None:
    light, heavy = START_BYTES, START_BYTES + 1
    ladder = [variant("360p", 10), variant("540p", light), variant("720p", heavy)]
    chosen = opening(ladder)
    assert chosen and chosen.name == "540p"
    chosen = opening([variant("540p", heavy), variant("720p", 2 * heavy)])
    assert chosen and chosen.name == "540p"


def test_a_ladder_that_was_measured_before_has_none() -> None:
    assert opening([variant("360p", None), variant("540p", None)]) is None
