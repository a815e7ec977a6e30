"""Where the process, its JVM and the libraries put what they need for a moment: below the home, and gone afterwards.

Belongs here: choosing the folder, telling the libraries, and clearing it. Files that are kept appear whole by files.py.

Left alone, Spark, Feast and the JVM leave folders in /tmp, which is small on many machines, everybody's, and emptied by
nobody while it is up.

Several machines, or containers whose processes have the same numbers, may work on one home: a folder bears the name of
its machine too, and whose lock nobody holds was left behind by a process that is gone, wherever that was.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.host.locks import FileLock
from jobs.settings import Settings

# The file of counters that every JVM keeps in /tmp, wherever its temporary files are.
NO_COUNTERS = "-XX:-UsePerfData"
# In each folder, held by its process for as long as it lives.
_LOCK = ".lock"
_held: dict[Path, int] = {}
_of_a_run: Path | None = None


def folder(settings: Settings) -> Path:
    """The folder of this process: there, and held until the process ends, when it goes."""
    place = settings.home / "tmp" / f"{socket.gethostname()}-{os.getpid()}"
    # Nobody clears away a folder between its beginning and its lock.
    with FileLock(_door(settings)):
        place.mkdir(parents=True, exist_ok=True)
        if place not in _held:
            _held[place] = os.open(place / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(_held[place], fcntl.LOCK_EX)
            atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


@contextmanager
def until_a_run_ends(settings: Settings) -> Iterator[None]:
    """What is asked for by `of_a_run` meanwhile lies below the home, and is gone at the end.

    Machines that work on the run see the home; the place for temporary files of a process that others started may be
    one of its machine alone.
    """
    global _of_a_run
    before, _of_a_run = _of_a_run, Path(tempfile.mkdtemp(prefix="run-", dir=folder(settings)))
    try:
        yield
    finally:
        place, _of_a_run = _of_a_run, before
        shutil.rmtree(place, ignore_errors=True)


def of_a_run(name: str) -> Path:
    """A new folder that is there until the run ends that goes on, or until the process does where none does."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=_of_a_run))


def java_options(place: Path) -> str:
    """The options that keep a JVM's temporary files in a place, quoted as Spark splits them."""
    return f'"-Djava.io.tmpdir={place}" {NO_COUNTERS}'


def stay_home(settings: Settings) -> None:
    """Make the folder the place for temporary files of this process and of all that it starts, until it ends.

    What a killed process left in its own is cleared by whoever comes next.
    """
    place = folder(settings)
    with FileLock(_door(settings)):
        for left in place.parent.iterdir():
            if left != place and _is_free(left):
                shutil.rmtree(left, ignore_errors=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(place)
    # The JVM that only works out how to start the other one.
    os.environ["SPARK_LAUNCHER_OPTS"] = NO_COUNTERS


def _is_free(place: Path) -> bool:
    """Whether no living process has the folder."""
    try:
        descriptor = os.open(place / _LOCK, os.O_RDWR)
    except (FileNotFoundError, NotADirectoryError):
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _door(settings: Settings) -> Path:
    return settings.home / "locks" / "tmp.lock"
