"""Objects with large arrays as files that processes map into memory: those of one machine share one copy.

Belongs here: the file. What is kept in one, and for how long: whoever writes it. They are read by the same release that
wrote them, and hold code by its name: nothing that comes from outside.

A file is the lengths of its parts as 8-byte integers, how many there are first; then each part from the next multiple
of ALIGNED on: a pickle, and the arrays that it leaves out (PEP 574).
"""

from __future__ import annotations

import mmap
import pickle
from itertools import accumulate
from pathlib import Path
from struct import pack, unpack_from
from typing import Any

from jobs.host.files import appearing

ALIGNED = 64


def save(thing: object, path: Path) -> None:
    """Write the object to the file, whole or not at all. Functions that have no name in a module travel with it."""
    from pyspark import cloudpickle

    arrays: list[pickle.PickleBuffer] = []
    body = cloudpickle.dumps(thing, protocol=5, buffer_callback=arrays.append)  # type: ignore[no-untyped-call]
    parts = [memoryview(body), *(array.raw() for array in arrays)]
    lengths = [part.nbytes for part in parts]
    with appearing(path) as unfinished, unfinished.open("wb") as file:
        file.write(pack(f"<{1 + len(lengths)}q", len(lengths), *lengths))
        for part, start in zip(parts, _starts(lengths), strict=True):
            file.seek(start)
            file.write(part)
        file.truncate(file.tell())


def load(path: Path) -> Any:
    """The object. What is written to its arrays stays in this process."""
    with path.open("rb") as file:
        whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    (many,) = unpack_from("<q", whole)
    lengths = unpack_from(f"<{many}q", whole, 8)
    body, *arrays = [whole[s : s + length] for s, length in zip(_starts(lengths), lengths, strict=True)]
    return pickle.loads(body, buffers=arrays)


def _starts(lengths: tuple[int, ...] | list[int]) -> list[int]:
    def aligned(place: int) -> int:
        return -(-place // ALIGNED) * ALIGNED

    return list(
        accumulate(lengths[:-1], lambda at, length: aligned(at + length), initial=aligned(8 + 8 * len(lengths)))
    )
