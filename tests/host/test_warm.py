"""Processes that wait for the next piece of work, and end with whoever handed them theirs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest

from jobs.host.warm import WorkerKilled, WorkFailed, WorkFailedForGood, hand_over

# Says its process; then sleeps, raises, says something strange or ends, as it is told.
WORKER = """
import os, socket, subprocess, sys, time
from pathlib import Path
from jobs.errors import LastingError, ReelmillError
from jobs.host.warm import serve

def work(words):
    print(os.getpid())
    match words:
        case ["sleep", seconds]: time.sleep(float(seconds))
        case ["refuse"]: raise ReelmillError("There is no such job.")
        case ["refuse for good"]: raise LastingError("Nobody mends that by trying again.")
        case ["break"]: raise ValueError("3")
        case ["echo", text]: subprocess.run(["echo", text])
        case ["die"]: os._exit(1)

place, channel, kind = sys.argv[2], int(sys.argv[3]), sys.argv[1]
serve(work, kind, Path(place), socket.socket(fileno=channel), patience_s=4)
"""


def begun(place: Path, *words: str, kind: str = "k") -> Iterator[str]:
    return hand_over(words, [sys.executable, "-c", WORKER], dict(os.environ), place, kind)


def done(place: Path, *words: str, kind: str = "k") -> list[str]:
    return list(begun(place, *words, kind=kind))


def is_alive(pid: str) -> bool:
    state, threads = Path("/proc", pid, "stat"), Path("/proc", pid, "task")
    with suppress(FileNotFoundError, ProcessLookupError):
        # While another thread is there, so are the sockets of a process that has ended.
        return state.read_text().rpartition(")")[2].split()[0] != "Z" or len(list(threads.iterdir())) > 1
    return False


def ends(pid: str, within_s: float = 20.0) -> bool:
    deadline = time.monotonic() + within_s
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_alive(pid)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder whose name is longer than that of a socket may be."""
    return tmp_path / ("a home that lies deep " * 6)


def test_the_next_piece_is_done_by_the_process_that_did_the_one_before(place: Path) -> None:
    assert done(place) == done(place) == done(place)


def test_whoever_finds_all_at_work_starts_another(place: Path) -> None:
    first = begun(place, "sleep", "1")
    (busy,) = islice(first, 1)
    (other,) = done(place)
    assert other != busy
    assert list(first) == []
    assert {done(place)[0] for _ in range(2)} <= {busy, other}


def test_a_process_that_was_started_in_another_way_is_left_alone(place: Path) -> None:
    assert done(place, kind="old code") != done(place, kind="new code")


@pytest.mark.slow
def test_one_that_nobody_needs_ends_and_leaves_nothing(place: Path) -> None:
    (pid,) = done(place)
    assert ends(pid)
    assert list(place.iterdir()) == []
    assert done(place) != [pid]


def test_what_programs_say_that_it_starts_is_heard_too(place: Path) -> None:
    assert done(place, "echo", "ünd so on")[1:] == ["ünd so on"]
    assert len(done(place)) == 1


def test_work_that_is_refused_gives_its_reason_and_work_that_breaks_its_trace_and_both_end_the_process(
    place: Path,
) -> None:
    said: list[str] = []
    with pytest.raises(WorkFailed, match="^There is no such job.$"):
        said.extend(begun(place, "refuse"))
    said = []
    with pytest.raises(WorkFailed, match="^ValueError: 3$") as broken:
        for line in begun(place, "break"):
            said.append(line)
    assert any("Traceback" in line for line in said)
    assert not isinstance(broken.value, WorkFailedForGood)
    with pytest.raises(WorkFailedForGood, match="trying again"):
        done(place, "refuse for good")
    assert ends(said[0])


def test_a_process_that_dies_is_missed_by_name_of_what_kills_most(place: Path) -> None:
    with pytest.raises(WorkerKilled, match="memory had run out"):
        done(place, "die")
    assert len(done(place)) == 1


def test_one_that_was_killed_while_it_waited_is_passed_over(place: Path) -> None:
    (pid,) = done(place)
    os.kill(int(pid), signal.SIGKILL)
    assert ends(pid)
    assert done(place) != [pid]


def test_a_process_ends_at_once_with_whoever_handed_the_work_over(place: Path) -> None:
    work = begun(place, "sleep", "60")
    (pid,) = islice(work, 1)
    work.close()  # type: ignore[attr-defined]
    assert ends(pid)


def test_it_ends_too_when_that_one_is_killed(place: Path, tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from jobs.host.warm import hand_over\n"
        "for line in hand_over(['sleep', '60'], [sys.executable, '-c', sys.argv[1]], dict(os.environ), "
        "Path(sys.argv[2]), 'k'): print(line, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", script, WORKER, place], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        pid = killed.stdout.readline().strip()
        killed.kill()
    assert ends(pid)


def test_a_start_that_fails_says_why(place: Path) -> None:
    said: list[str] = []
    with pytest.raises(WorkFailed):
        for line in hand_over([], [sys.executable, "-c", "import nonsense_"], dict(os.environ), place, "k"):
            said.append(line)
    assert said[-1] == "ModuleNotFoundError: No module named 'nonsense_'"
