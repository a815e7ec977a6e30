"""The event spool: a folder of JSON-lines files that the endpoint and imports fill and the ingest job empties.

Belongs here: making lines durable and files visible. What an event must look like: events.py here for HTTP,
jobs/events for the lake. Reading the spool: jobs/events/ingest.py.

    <folder>/<name>.jsonl                complete; never changes again
    <folder>/.<name>.jsonl               being written by a live process, which holds a lock on it
    <folder>/rejected/<date>.jsonl       what was refused, with its reason, so that nothing is lost

A line is with the operating system before `append` returns: killing the process loses nothing that was acknowledged.
(Losing power may lose the last seconds; a client that sends its own event ids can simply send them again.)
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import orjson

REJECTED = "rejected"
_JSON = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_APPEND_NEWLINE


class SpoolError(Exception):
    """The spool could not take what it was given; nothing of it was kept."""


class EventSpool:
    """Takes events from one process; any number of processes may share the folder. Thread-safe.

    A file becomes visible after `max_age_s` or `max_bytes`, whichever comes first, provided `maintain` is called every
    second or so. Files of a process that died become visible at the next `recover`.
    """

    def __init__(self, folder: Path, *, max_age_s: float = 10.0, max_bytes: int = 16 << 20) -> None:
        self.folder = folder
        self._max_age_s = max_age_s
        self._max_bytes = max_bytes
        self._guard = threading.Lock()
        self._open: _OpenFile | None = None
        (folder / REJECTED).mkdir(parents=True, exist_ok=True)

    def append(self, events: Iterable[Mapping[str, object]]) -> None:
        """Keep `events`, all or none. Raises SpoolError, for instance when the disk is full."""
        data = b"".join(orjson.dumps(event, option=_JSON) for event in events)
        with self._guard:
            if self._open is None:
                with _folder_lock(self.folder):
                    self._open = _OpenFile(self.folder)
            self._open.append(data)
            if self._open.size >= self._max_bytes:
                self._publish()

    def reject(self, raw: object, reason: str, received_at: datetime) -> None:
        """Keep what was refused, as received, where a person can find it and an ingest job does not look."""
        _keep_rejected(self.folder, {"received_at": received_at, "reason": reason, "raw": raw})

    def maintain(self) -> None:
        """Make the open file visible when its time has come."""
        with self._guard:
            if self._open is not None and self._open.age_s() >= self._max_age_s:
                self._publish()

    def close(self) -> None:
        """Make the open file visible whatever its age."""
        with self._guard:
            self._publish()

    def recover(self) -> int:
        """Make visible what dead processes left open, cutting off a torn last line; returns how many files."""
        recovered = 0
        with _folder_lock(self.folder):
            for path in sorted(self.folder.glob(".*.jsonl")):
                recovered += _recover(path)
        return recovered

    def waiting(self) -> tuple[int, int]:
        """Visible files and their bytes."""
        sizes = []
        for path in self.folder.glob("[!.]*.jsonl"):
            with suppress(FileNotFoundError):  # an ingest job may have taken it away meanwhile
                sizes.append(path.stat().st_size)
        return len(sizes), sum(sizes)

    def _publish(self) -> None:
        if self._open is not None:
            self._open.publish()
            self._open = None


class _OpenFile:
    """One file being written. Its lock tells other processes that the writer lives: it goes with the process."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f".{time.time_ns()}-{os.getpid()}.jsonl"
        self._fd = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o640)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self._born = time.monotonic()
        self.size = 0

    def age_s(self) -> float:
        return time.monotonic() - self._born

    def append(self, data: bytes) -> None:
        try:
            written = os.write(self._fd, data)
        except OSError as exc:
            raise SpoolError(f"cannot write to {self._path}: {exc.strerror}") from exc
        if written != len(data):
            # Half a line would swallow the next event, so the file goes back to its last whole line.
            os.ftruncate(self._fd, self.size)
            raise SpoolError(f"cannot write to {self._path}: the disk is full")
        self.size += written

    def publish(self) -> None:
        if self.size == 0:
            self._path.unlink()
        else:
            os.fsync(self._fd)
            self._path.rename(_visible(self._path))
        os.close(self._fd)


def _recover(path: Path) -> bool:
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # its writer lives
        data = file.read()
        whole = data.rfind(b"\n") + 1
        if torn := data[whole:]:
            reason = f"torn line: the process that wrote {path.name} died in the middle of it"
            written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            _keep_rejected(
                path.parent,
                {"received_at": written_at, "reason": reason, "raw": torn.decode(errors="backslashreplace")},
            )
            file.truncate(whole)
        if whole == 0:
            path.unlink()
            return False
        os.fsync(file.fileno())
        path.rename(_visible(path))
        return True


def _keep_rejected(folder: Path, record: dict[str, object]) -> None:
    line = orjson.dumps(record, option=_JSON, default=str)
    # O_APPEND: processes that share the folder may share the file, a single write is not interleaved with another.
    fd = os.open(
        folder / REJECTED / f"{datetime.now(UTC):%Y-%m-%d}.jsonl", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o640
    )
    try:
        os.write(fd, line)
    except OSError as exc:
        raise SpoolError(f"cannot write to {folder / REJECTED}: {exc.strerror}") from exc
    finally:
        os.close(fd)


def _visible(path: Path) -> Path:
    return path.with_name(path.name.removeprefix("."))


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Held while a file is created and locked, or recovered: nobody recovers a file that is not locked YET."""
    fd = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
