"""Locks that whoever works on one home shares, over all its processes and threads.

Belongs here: what a lock is, the kind that is a file below the home, and which kind a home needs. The kind that lies in
a bucket: bucket.py. A lock that is handed to another process or that many hold at once lies beside what it guards:
redis_process.py, redis_server.py, address.py.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol

from jobs.host.bucket import BucketLock
from jobs.settings import Settings


class Lock(Protocol):
    """Held from the beginning of a `with` to its end by one alone, and free again when whoever held it has died."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None, /
    ) -> bool | None: ...


class FileLock:
    """A lock on a file, which stays there; the kernel frees it even after kill -9.

    It holds between machines too where the file is on a disk that they share, if that disk does so (NFS 4 does).
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except BaseException:  # Ctrl-C while it waits
            os.close(self._descriptor)
            raise

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def alone(settings: Settings, name: str) -> Lock:
    """The lock of that name, for whoever works on this home or on its lake. The one place that chooses its kind."""
    here = FileLock(settings.home / "locks" / f"{name}.lock")
    return _both(here, BucketLock(settings.lake_bucket, name)) if settings.lake_bucket else here


@contextmanager
def _both(here: Lock, everywhere: Lock) -> Iterator[None]:
    # In this order: those of one home wait in the kernel, and only one of them asks the bucket again and again.
    with here, everywhere:
        yield
