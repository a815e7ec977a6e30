"""A feed as one string: nothing is lost in it, and what was taken out leaves its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.feed_store.layout import name
from serving.feed_store.packed import pack, unpack, without

names = st.binary(min_size=6, max_size=6).filter(any)
slots = st.lists(st.tuples(names, names), max_size=40)


@given(slots=slots)
def test_what_is_packed_is_unpacked(slots: list[tuple[bytes, bytes]]) -> None:
    feed = unpack(pack([video for video, _ in slots], [words for _, words in slots]))
    assert len(feed) == len(slots)
    assert [*zip(feed.videos(), feed.words_of(), strict=True)] == slots


@pytest.mark.parametrize(("words", "most"), [(1, 1_450), (60, 1_786), (200, 2_650), (257, 5_000)])
def test_two_hundred_slots_fit_and_more_words_than_a_byte_counts_are_told_apart(words: int, most: int) -> None:
    count = max(200, words)
    each = [name(str(n % words)) for n in range(count)]
    value = pack([name(f"v{n}") for n in range(count)], each)
    assert len(value) <= most
    assert unpack(value).words_of() == each


@given(slots=slots, taken=st.sets(st.integers(0, 39)))
def test_what_is_taken_out_leaves_its_place(slots: list[tuple[bytes, bytes]], taken: set[int]) -> None:
    videos = [video for video, _ in slots]
    theirs = {videos[place] for place in taken if place < len(videos)}
    value, removed, left = without(pack(videos, [words for _, words in slots]), theirs)
    stay = [bytes(6) if video in theirs else video for video in videos]
    assert unpack(value).videos() == stay
    assert (removed, left) == (stay.count(bytes(6)), len(stay) - stay.count(bytes(6)))
    assert without(value, theirs) == (value, 0, left)


@pytest.mark.parametrize("value", [b"", b"garbage", b"\x03" + bytes(30), bytes(9), pack([b"videos"], [b"wordss"])[:-1]])
def test_other_bytes_are_not_a_feed(value: bytes) -> None:
    with pytest.raises(ValueError, match="are not a feed"):
        unpack(value)
