"""Files and folders of ours: whole or not there at all, also after the power was cut.

Belongs here: the one order of steps (write under a hidden name, flush, rename, flush the folder), and lines that go
from a file to which others may be writing. What is written, and under which name: the module that writes it. The
endpoint, which may not import jobs, writes files in the same way in serving/spool.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A hidden path beside `path` to write a file to; it gets its name when the block has ended well.

    It keeps the suffix, by which some writers choose the format. What was under the name before stays until then, and
    stays for good when the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield unfinished
        # Before the rename, or a power cut can leave the name with no content behind it.
        sync(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    sync(path.parent)


def give_name(folder: Path, path: Path) -> None:
    """Give a finished folder, beside `path` or near it, its name; all that is in it is on the disk before."""
    for inside in sorted(folder.rglob("*")):
        sync(inside)
    sync(folder)
    folder.rename(path)
    sync(path.parent)


def blank_lines(path: Path, is_wanted: Callable[[bytes], bool]) -> int:
    """Write blanks over the lines that are wanted gone, where they stand; returns how many.

    The file keeps its name, its size, its time and every other line, so that neither a stream that lists it nor a
    process that appends to it notices. Readers of lines pass over blank ones.
    """
    blanked = 0
    with path.open("r+b") as file:
        before = os.fstat(file.fileno())
        while line := file.readline():
            text = line.rstrip(b"\n")
            if text.strip() and is_wanted(text):
                end = file.tell()
                file.seek(end - len(line))
                file.write(b" " * len(text))
                file.seek(end)
                blanked += 1
        if blanked:
            file.flush()
            # Events that wait and say no time of their own came at that of their file.
            os.utime(file.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
    if blanked:
        sync(path)
    return blanked


def sync(path: Path) -> None:
    """fsync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
