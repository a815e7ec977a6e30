"""Runs a program that reads a stranger's file: bounded in time, killed with all its children, its last words kept.

Belongs here: the guard around one child process. The threat: libav has crashed and has looped on crafted files, and
neither may take a Spark worker with it. What is run: probe.py and ladder.py.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TAIL_BYTES = 4096
# Of util-linux, which every Debian has. Spark ends its workers by kill -9, and what they had started would run on.
ENDS_WITH_ITS_PARENT = ("setpriv", "--pdeathsig", "KILL")


class Unfinished(Exception):
    """The program was ended from outside: after its wall time, with its children, or by the kernel for want of memory.

    That says nothing of what it read: the machine may be busy or small.
    """


class OutOfProcessorTime(Exception):
    """The program used up the processor time that it may have, which a busy machine does not change."""


@dataclass(frozen=True)
class Finished:
    """How a program ended: exit code (negative: minus the signal), standard output, the end of standard error."""

    code: int
    output: bytes
    last_words: str

    @property
    def ending(self) -> str:
        """What ended it, in words: the signal, else the last line it said, else its exit code."""
        if self.code < 0:
            return f"the decoder crashed ({signal.Signals(-self.code).name})"
        lines = [line.strip() for line in self.last_words.splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {self.code}"


def run_bounded(command: Sequence[str], *, seconds: float, cwd: Path | None = None) -> Finished:
    """Run to the end, or kill the whole process group after `seconds` of wall time and raise Unfinished.

    OutOfProcessorTime for a program that ran into a limit of its own, FileNotFoundError for one that is not there.

    It ends with this process, however that ends. Standard error goes to an unnamed file and only its end is read: a
    damaged clip can make a decoder write gigabytes.
    """
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            [*ENDS_WITH_ITS_PARENT, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=cwd,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=seconds)
            except BaseException as error:
                # Also on Ctrl-C: a child in its own session does not get the terminal's signal.
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                if isinstance(error, subprocess.TimeoutExpired):
                    raise Unfinished(f"killed after {seconds:.0f} s") from None
                raise
        if process.returncode == -signal.SIGXCPU:
            raise OutOfProcessorTime("killed after its processor time")
        if process.returncode in (-signal.SIGKILL, -signal.SIGTERM):
            raise Unfinished(f"ended from outside ({signal.Signals(-process.returncode).name}), perhaps out of memory")
        errors.seek(0, os.SEEK_END)
        errors.seek(max(0, errors.tell() - TAIL_BYTES))
        return Finished(process.returncode, output, errors.read().decode(errors="replace"))
