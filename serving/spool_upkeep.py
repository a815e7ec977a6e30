"""What becomes of spool files after their writer: recovered when it died, archived once taken in, then forgotten.

Belongs here: finding, moving and removing whole files; the ingest job and every endpoint call these, in any number of
processes at once. Writing the files, and their layout: spool.py.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

from serving.spool import REJECTED, folder_lock, keep_rejected, visible_name

# Spark, like Hive, passes over what begins with "_".
ARCHIVE = "_archive"
# Files that an EventSpool began. Others write hidden files here too, without a lock: jobs/arrivals/handover.py.
_BEGUN_HERE = re.compile(r"\.\d+-\d+\.jsonl")
_log = logging.getLogger(__name__)


def recover(folder: Path) -> int:
    """Make visible what dead processes left open, cutting off a torn last line; returns how many files.

    A file that cannot be recovered, for instance on a full disk, stays for the next time. Safe beside live writers.
    """
    recovered = 0
    with folder_lock(folder):
        for path in sorted(path for path in folder.glob(".*.jsonl") if _BEGUN_HERE.fullmatch(path.name)):
            try:
                recovered += _recover(path)
            except OSError:
                _log.exception("cannot recover %s; trying again later", path)
    return recovered


def visible(folder: Path) -> list[Path]:
    """The complete files that wait to be taken in; an empty list while there is no folder."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if _is_visible(entry.name))
    return []


def every_file(folder: Path) -> list[Path]:
    """All files of lines: complete, being written, taken in already, and refused; by name."""
    return sorted(path for place in ("", f"{ARCHIVE}/*/", f"{REJECTED}/") for path in folder.glob(f"{place}*.jsonl"))


def waiting(folder: Path) -> tuple[int, int]:
    """How many files wait to be taken in, and their bytes."""
    files = size = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if _is_visible(entry.name):
                with suppress(FileNotFoundError):  # an ingest job may have taken it away meanwhile
                    size += entry.stat().st_size
                    files += 1
    return files, size


def archive(folder: Path, taken_in: Iterable[Path], today: date) -> None:
    """Move files away that were taken in. Killed half-way, the next run moves the others."""
    files = list(taken_in)
    if not files:
        return
    target = folder / ARCHIVE / f"{today:%Y-%m-%d}"
    target.mkdir(parents=True, exist_ok=True)
    # The tables and the checkpoint that hold them now may still be in memory only: neither Spark nor Delta flushes.
    os.sync()
    for path in files:
        with suppress(FileNotFoundError):  # another run was faster
            path.replace(target / path.name)


def forget(folder: Path, *, archived_before: date, rejected_before: date) -> None:
    """Remove the days of the archive, and the days of what was refused, that are older."""
    for day in folder.glob(f"{ARCHIVE}/*"):
        if _day_of(day.name) < archived_before:
            shutil.rmtree(day, ignore_errors=True)
    for file in folder.glob(f"{REJECTED}/*.jsonl"):
        if _day_of(file.stem) < rejected_before:
            file.unlink(missing_ok=True)


def _is_visible(name: str) -> bool:
    return name.endswith(".jsonl") and not name.startswith((".", "_"))


def _day_of(name: str) -> date:
    """The day in a name; the last of all days for a name that is not ours, so that it stays."""
    try:
        return date.fromisoformat(name)
    except ValueError:
        return date.max


def _recover(path: Path) -> bool:
    with suppress(FileNotFoundError), path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # its writer lives
        # A writer that published it a moment ago has let the lock go, too: then there is no such path any more.
        path.stat()
        data = file.read()
        whole = data.rfind(b"\n") + 1
        if torn := data[whole:]:
            reason = f"torn line: the process that wrote {path.name} died in the middle of it"
            keep_rejected(path.parent, torn, reason, datetime.fromtimestamp(path.stat().st_mtime, UTC))
            file.truncate(whole)
        if whole == 0:
            path.unlink()
            return False
        os.fsync(file.fileno())
        path.rename(visible_name(path))
        return True
    return False
