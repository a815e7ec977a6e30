"""Files and folders of ours: whole or not there at all, also after the power was cut.

Belongs here: the one order of steps (write under a hidden name, flush, rename, flush the folder). What is written, and
under which name: the module that writes it. The endpoint, which may not import jobs, does the same in serving/spool.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
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


def sync(path: Path) -> None:
    """fsync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
