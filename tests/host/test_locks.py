"""A lock has one holder, in this process or another, and is free when its holder is gone."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from jobs.host.locks import FileLock, alone
from jobs.settings import Settings

HOLDS = """
import sys, time
from pathlib import Path
from jobs.host.locks import FileLock
with FileLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_threads_take_turns(settings: Settings) -> None:
    inside, most = [0], [0]

    def work() -> None:
        with alone(settings, "job"):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_locks_of_other_names_are_free(settings: Settings) -> None:
    with alone(settings, "a"), alone(settings, "b"):
        assert {path.name for path in (settings.home / "locks").iterdir()} == {"a.lock", "b.lock"}


def test_a_holder_that_is_killed_leaves_the_lock_free(tmp_path: Path) -> None:
    path = tmp_path / "new" / "one.lock"
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        got = threading.Event()

        def wait() -> None:
            with FileLock(path):
                got.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not got.wait(0.2)
        os.kill(holder.pid, signal.SIGKILL)
        assert got.wait(10)
        waiting.join()
