"""The event spool: a folder of JSON-lines files that the endpoint and imports fill and the ingest job empties.

Belongs here: making lines durable and files visible. What becomes of the files afterwards: spool_upkeep.py. What an
event must look like: events.py here for HTTP, jobs/events for the lake. Reading the spool: jobs/events/ingest.py.

    <folder>/<name>.jsonl                complete; never changes again
    <folder>/.<name>.jsonl               being written by a live process, which holds a lock on it
    <folder>/rejected/<date>.jsonl       what was refused, with its reason, so that nothing is lost
    <folder>/_archive/<date>/            what was taken in that day; a reader of the folder passes "_" over

A line is with the operating system before `append` returns: killing the process loses nothing that was acknowledged.
(Losing power may lose the last seconds; a client that sends its own event ids can simply send them again.)
"""

from __future__ import annotations

import codecs
import fcntl
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import orjson

from serving import room

REJECTED = "rejected"
# Of a refused text: enough to see what was wrong, and too little to fill a disk by what nobody wants.
MAX_KEPT_BYTES = 16 << 10
AS_JSON = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC
_AS_LINE = AS_JSON | orjson.OPT_APPEND_NEWLINE
_log = logging.getLogger(__name__)


class SpoolError(Exception):
    """The spool could not take what it was given; nothing of it was kept."""


class EventSpool:
    """Takes events from one process; any number of processes may share the folder. Thread-safe.

    A file becomes visible after `max_age_s` or `max_bytes`, whichever comes first, provided `maintain` is called every
    second or so. Files of a process that died become visible at the next `spool_upkeep.recover`.
    """

    def __init__(self, folder: Path, *, max_age_s: float = 10.0, max_bytes: int = 16 << 20) -> None:
        self.folder = folder
        self._max_age_s = max_age_s
        self._max_bytes = max_bytes
        self._guard = threading.Lock()
        self._open: _OpenFile | None = None
        (folder / REJECTED).mkdir(parents=True, exist_ok=True)

    def append(self, events: Iterable[Mapping[str, object]]) -> None:
        """Keep `events`, all or none. Raises SpoolError, for instance before the disk is full."""
        data = b"".join(orjson.dumps(event, option=_AS_LINE) for event in events)
        try:
            room.check(self.folder, room.EVENTS_LEAVE)
        except OSError as error:
            raise SpoolError(f"cannot write to {self.folder}: {error.strerror}") from error
        with self._guard:
            if self._open is None:
                self._open = _begin(self.folder)
            self._open.append(data)
            if self._open.size >= self._max_bytes:
                try:
                    self._publish()
                except OSError:  # the events are kept, and `maintain` tries again
                    _log.exception("cannot publish the open spool file")

    def reject(self, raw: bytes, reason: str, received_at: datetime) -> None:
        """Keep the beginning of what was refused, as received, where a person can find it and no ingest job looks.

        Where that cannot be done the log says so: its sender is told anyway, and nothing beside it may suffer.
        """
        try:
            keep_rejected(self.folder, raw, reason, received_at)
        except OSError:
            _log.exception("cannot keep what was refused: %s", reason)

    def why_it_takes_nothing(self) -> str | None:
        """What keeps events out, if anything does."""
        try:
            room.check(self.folder, room.EVENTS_LEAVE)
            with tempfile.TemporaryFile(dir=self.folder) as file:
                file.write(b"\n")
        except OSError as error:
            return f"the spool takes no events: {error.strerror}"
        return None

    def maintain(self) -> None:
        """Make the open file visible when its time has come."""
        with self._guard:
            if self._open is not None and self._open.age_s() >= self._max_age_s:
                self._publish()

    def close(self) -> None:
        """Make the open file visible whatever its age."""
        with self._guard:
            self._publish()

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
            self._path.rename(visible_name(self._path))
        os.close(self._fd)


def _begin(folder: Path) -> _OpenFile:
    try:
        with folder_lock(folder):
            return _OpenFile(folder)
    except OSError as exc:
        raise SpoolError(f"cannot begin a file in {folder}: {exc.strerror}") from exc


def rejected_record(raw: bytes, reason: str, received_at: datetime) -> dict[str, object]:
    """What is kept of a text that was refused."""
    return {"received_at": received_at, "reason": reason, "bytes": len(raw), "raw": _as_text(raw[:MAX_KEPT_BYTES])}


def keep_rejected(folder: Path, raw: bytes, reason: str, received_at: datetime) -> None:
    """Append one line to the day's file of what was refused. Raises OSError."""
    line = orjson.dumps(rejected_record(raw, reason, received_at), option=_AS_LINE)
    # O_APPEND: processes that share the folder may share the file, a single write is not interleaved with another.
    path = folder / REJECTED / f"{datetime.now(UTC):%Y-%m-%d}.jsonl"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)


def _as_text(raw: bytes) -> str:
    try:
        # A character that was cut in two at the end is left out, and is no reason to show the others as escapes.
        return codecs.getincrementaldecoder("utf-8")().decode(raw)
    except UnicodeDecodeError:
        return raw.decode(errors="backslashreplace")


def visible_name(path: Path) -> Path:
    """The name under which a finished file is seen by readers."""
    return path.with_name(path.name.removeprefix("."))


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Held while a file is created and locked, or recovered: nobody recovers a file that is not locked YET."""
    fd = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
