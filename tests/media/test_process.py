"""The guard around programs that read strangers' files."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from jobs.media.process import OutOfProcessorTime, Unfinished, run_bounded


@pytest.mark.slow
def test_a_program_that_never_ends_is_killed_with_its_children(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    child = f"import time, pathlib\nwhile True: pathlib.Path({str(alive)!r}).touch(); time.sleep(0.05)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    started = time.monotonic()
    with pytest.raises(Unfinished, match="killed after 2 s"):
        run_bounded([sys.executable, "-c", parent], seconds=2)
    assert time.monotonic() - started < 10
    alive.unlink(missing_ok=True)
    time.sleep(0.5)
    assert not alive.exists()


def test_a_crash_is_told_by_its_signal() -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    finished = run_bounded([sys.executable, "-c", crash], seconds=20)
    assert finished.ending == "the decoder crashed (SIGSEGV)"


def test_only_the_end_of_a_flood_of_complaints_is_kept() -> None:
    flood = "import sys; sys.stderr.write('noise\\n' * 1_000_000 + 'the last word\\n'); sys.exit(3)"
    finished = run_bounded([sys.executable, "-c", flood], seconds=20)
    assert (finished.code, finished.ending) == (3, "the last word")
    assert len(finished.last_words) <= 4096


def test_a_program_that_used_up_its_processor_time_is_out_of_time() -> None:
    spin = "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass"
    with pytest.raises(OutOfProcessorTime):
        run_bounded([sys.executable, "-c", spin], seconds=60)


def test_a_program_that_something_killed_says_nothing_of_what_it_read() -> None:
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(Unfinished, match="ended from outside"):
        run_bounded([sys.executable, "-c", killed], seconds=20)
