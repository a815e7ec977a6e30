"""Locks that whoever works on one home shares, over all its processes and threads.

Belongs here: what a lock is, and the local kind, a file of this machine. A lock that is handed to another process or
that many hold at once lies beside what it guards: redis_process.py, redis_server.py, address.py.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Protocol

from jobs.settings import Settings


class Lock(Protocol):
    """Held from the beginning of a `with` to its end by one alone, and free again when whoever held it has died."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None, /
    ) -> None: ...


class FileLock:
    """A lock on a file of this machine, which stays there; the kernel frees it even after kill -9."""

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
    """The lock of that name in this home. The one place that chooses its kind."""
    return FileLock(settings.home / "locks" / f"{name}.lock")
