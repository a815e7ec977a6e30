"""Processes that have done one piece of work wait a while for the next, with everything imported and started.

Belongs here: finding or starting one, handing it its work, and what happens when either side dies. What the work is:
who calls `serve` (jobs/submit.py).

A process does one piece at a time, as if it had been started for it: what kills it takes that piece along and no
other, and a piece that fails ends its process. It listens on a socket in a folder, with a mark beside it while it
waits. To take it is to remove the mark, which only one of those who try at the same time can do.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from jobs.errors import LastingError, ReelmillError

# Seconds lie between two tasks of a DAG run; whoever waits longer holds the memory of a JVM for nobody.
PATIENCE_S = 60.0
# Begins the last line that is said about a piece of work.
_END = "\0"


class WorkFailed(ReelmillError):
    """The work raised."""


class WorkFailedForGood(WorkFailed, LastingError):
    """The work raised what it would raise again."""


class WorkerKilled(WorkFailed):
    """The process that did the work is gone without a word: it was killed, or died in native code."""


def hand_over(
    arguments: Sequence[str], start: Sequence[str], environment: Mapping[str, str], place: Path, kind: str
) -> Iterator[str]:
    """Have the work done by a process of that kind that waits in `place`, or by one that `start` starts; what it says.

    The process ends with whoever handed the work over, at once, so that nothing goes on that nobody follows. Raises
    WorkFailed, or one of its kinds.
    """
    place.mkdir(parents=True, exist_ok=True)
    channel = _waiting(place, kind) or _started([*start, kind], environment, place)
    # A side that is gone resets the line that the other one reads.
    with channel, channel.makefile("rw", errors="replace") as lines, suppress(ConnectionError):
        lines.write(json.dumps(list(arguments)) + "\n")
        lines.flush()
        for line in lines:
            if line.startswith(_END):
                if failed := json.loads(line.removeprefix(_END)):
                    raise (WorkFailedForGood if failed["for_good"] else WorkFailed)(failed["reason"])
                return
            if line.strip():
                yield line.rstrip("\n")
    raise WorkerKilled("The process that did the work was killed, probably because memory had run out.")


def _waiting(place: Path, kind: str) -> socket.socket | None:
    for mark in sorted(place.glob(f"*.{kind}.waits")):
        listening = mark.with_suffix("")
        try:
            mark.unlink()
        except FileNotFoundError:
            continue  # somebody else was quicker
        channel = socket.socket(socket.AF_UNIX)
        try:
            with _short(listening) as address:
                channel.connect(address)
            return channel
        except (ConnectionRefusedError, FileNotFoundError):
            # It was killed while it waited.
            channel.close()
            listening.unlink(missing_ok=True)
    return None


def _started(start: Sequence[str], environment: Mapping[str, str], place: Path) -> socket.socket:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.set_inheritable(True)
        channel = theirs.fileno()
        # No child that anybody waits for; of the session of who starts it, which ends all that is in it, but not of a
        # group that ends with one task. Who cannot even start says why to whoever waits for it.
        os.posix_spawn(
            start[0],
            [*start, str(place), str(channel)],
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, channel, 1),
                (os.POSIX_SPAWN_DUP2, channel, 2),
            ],
            setpgroup=0,
        )
    return ours


def serve(
    work: Callable[[Sequence[str]], None],
    kind: str,
    place: Path,
    channel: socket.socket,
    patience_s: float = PATIENCE_S,
) -> None:
    """Do the work that comes over `channel`, then what comes to `place`, until nothing has come for so long."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    for left in place.iterdir():
        if not Path("/proc", left.name.partition(".")[0]).exists():
            left.unlink(missing_ok=True)
    listening = place / f"{os.getpid()}.{kind}"
    mark = place / f"{listening.name}.waits"
    # Of a process that was killed and had the same number.
    for left in (mark, listening):
        left.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        with _short(listening) as address:
            listener.bind(address)
        listener.listen(1)
        try:
            while True:
                with channel:
                    failed = _one(work, channel)
                    if not failed:
                        # Before the answer: whoever has it may come with the next piece at once.
                        mark.touch()
                    with suppress(ConnectionError):
                        channel.sendall(f"\n{_END}{json.dumps(failed)}\n".encode())
                if failed:
                    return
                listener.settimeout(patience_s)
                try:
                    channel, _ = listener.accept()
                except TimeoutError:
                    try:
                        mark.unlink()
                        return
                    except FileNotFoundError:
                        channel, _ = listener.accept()  # somebody has just taken it
                channel.settimeout(None)
        finally:
            mark.unlink(missing_ok=True)
            listening.unlink(missing_ok=True)


def _one(work: Callable[[Sequence[str]], None], channel: socket.socket) -> dict[str, str | bool]:
    """Do one piece; why it failed and whether it would again, or nothing."""
    over = threading.Event()
    with channel.makefile("r") as asked:
        arguments = json.loads(asked.readline())
    threading.Thread(target=_end_with, args=(channel.dup(), over), daemon=True).start()
    with _heard_by(channel):
        try:
            work(arguments)
            return {}
        except ReelmillError as error:
            return {"reason": str(error), "for_good": isinstance(error, LastingError)}
        except BaseException as error:
            traceback.print_exc()
            return {"reason": f"{type(error).__name__}: {error}", "for_good": False}
        finally:
            over.set()


def _end_with(other: socket.socket, over: threading.Event) -> None:
    """End this process and all that it started when the other side goes before the work is over."""
    with other, suppress(ConnectionError):
        other.recv(1)
    if not over.is_set():
        os.killpg(0, signal.SIGKILL)


@contextmanager
def _heard_by(channel: socket.socket) -> Iterator[None]:
    """What this process says, and what programs say that it starts, goes to the other side."""
    kept = [os.dup(number) for number in (1, 2)]
    for number in (1, 2):
        os.dup2(channel.fileno(), number)
    try:
        yield
    finally:
        for stream, number, before in zip((sys.stdout, sys.stderr), (1, 2), kept, strict=True):
            with suppress(OSError):
                stream.flush()
            os.dup2(before, number)
            os.close(before)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of a socket: it may have 107 bytes, and a home lies where its owner wants it."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
