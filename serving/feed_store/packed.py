"""One viewer's feed as one string: of each slot the name of its video, and which of the feed's words it has.

Belongs here: these bytes. What the names stand for, and where that lies: layout.py. Who finds a page in them: page.py.

    1 byte           how wide the last column is, W: 1 or 2 bytes a slot
    2 bytes          how many words the feed has
    6 bytes each     the names of these words
    4 bytes a slot   the first part of the name of the slot's video, which is its mark
    2 bytes a slot   the rest of it
    W bytes a slot   the number of its words, among those of the feed

Numbers of several bytes have the greater byte first. 200 slots with no more than 60 words fit into 1,792 bytes, one of
the sizes that Redis' allocator has, and with their key into 2 KiB (docs/decisions/0045).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from serving.feed_store.layout import MARK_BYTES, NAME_BYTES

_REST = NAME_BYTES - MARK_BYTES
_HEAD = 1 + 2
# What stands in the place of a slot that was taken out: no video has this name.
_NOTHING = bytes(NAME_BYTES)


class Packed(NamedTuple):
    """A feed as it is stored: names of words, and a column each of marks, rests of names and numbers of words."""

    words: bytes
    marks: bytes
    rests: bytes
    numbers: bytes

    def __len__(self) -> int:
        return len(self.rests) // _REST

    def videos(self) -> list[bytes]:
        """The names of the videos in all slots."""
        places = range(len(self))
        marks = [self.marks[MARK_BYTES * one : MARK_BYTES * (one + 1)] for one in places]
        return [marks[one] + self.rests[_REST * one : _REST * (one + 1)] for one in places]

    def words_of(self) -> list[bytes]:
        """The names of the words of all slots."""
        width = len(self.numbers) // len(self) if self.numbers else 1
        numbers = [int.from_bytes(self.numbers[at : at + width]) for at in range(0, len(self.numbers), width)]
        return [self.words[NAME_BYTES * one : NAME_BYTES * (one + 1)] for one in numbers]


def pack(videos: Iterable[bytes], words: Iterable[bytes]) -> bytes:
    """A feed of the names of the video and of the words of each slot in order."""
    numbers: dict[bytes, int] = {}
    number = [numbers.setdefault(one, len(numbers)) for one in words]
    width = 1 if len(numbers) <= 256 else 2
    names = b"".join(videos)
    head = bytes((width,)), len(numbers).to_bytes(2), *numbers
    columns = _column(names, 0, MARK_BYTES), _column(names, MARK_BYTES, NAME_BYTES)
    return b"".join((*head, *columns, b"".join([one.to_bytes(width) for one in number])))


def unpack(value: bytes) -> Packed:
    """A stored feed. Raises ValueError where it is something else."""
    at = _HEAD + NAME_BYTES * int.from_bytes(value[_HEAD - 2 : _HEAD])
    width = value[0] if value else 0
    slots, left = divmod(len(value) - at, NAME_BYTES + width)
    if width not in (1, 2) or left or slots < 0:
        raise ValueError(f"{len(value)} bytes are not a feed")
    rests, numbers = at + MARK_BYTES * slots, at + NAME_BYTES * slots
    return Packed(value[_HEAD:at], value[at:rests], value[rests:numbers], value[numbers:])


def without(value: bytes, videos: Collection[bytes]) -> tuple[bytes, int, int]:
    """A stored feed without the videos of these names, how many slots were taken out, and how many are left.

    Their places stay, and have nothing: a cursor counts them.
    """
    feed = unpack(value)
    there = feed.videos()
    taken = [place for place, one in enumerate(there) if one in videos]
    marks, rests = bytearray(feed.marks), bytearray(feed.rests)
    for place in taken:
        marks[MARK_BYTES * place : MARK_BYTES * (place + 1)] = _NOTHING[:MARK_BYTES]
        rests[_REST * place : _REST * (place + 1)] = _NOTHING[MARK_BYTES:]
    left = sum(one != _NOTHING for one in there) - len(taken)
    head = value[: _HEAD + len(feed.words)]
    return head + bytes(marks) + bytes(rests) + feed.numbers, len(taken), left


def _column(names: bytes, start: int, stop: int) -> bytes:
    """Of each name the bytes from `start` to `stop`."""
    column = bytearray(len(names) // NAME_BYTES * (stop - start))
    for at in range(start, stop):
        column[at - start :: stop - start] = names[at::NAME_BYTES]
    return bytes(column)
