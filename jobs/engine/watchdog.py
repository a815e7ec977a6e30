"""Ends a job in which nothing moves: no task of Spark ends, and nothing that this process started uses a processor.

Belongs here: what counts as moving, and the three steps of the end, each harder than the one before. The record of a
run: runner.py. A heap that is exhausted ends the JVM by itself: spark.py.

There is no limit on the time of a whole job, nor on that of a task: a ranker trains for an hour in native code and a
clip is encoded for minutes, and both use the processor all the while. What waits for ever uses none.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from py4j.protocol import Py4JError

from jobs.engine.pulse import running_stages
from jobs.errors import ReelmillError
from jobs.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOOK_EVERY_S = 5.0
# Of one core. A JVM, a Python and the progress bar that have nothing to do use about 0.02 together.
IDLE = 0.05
# How long a job may take to unwind before the next step.
GRACE_S = 30.0


class JobStalled(ReelmillError):
    """Nothing moved in a job for longer than the settings allow."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            f"Nothing moved for {settings.stalled_after_s:g} s: Spark finished no task, and neither this process nor "
            "those that it started used a processor. Most likely it waited for a disk or a server that does not "
            f"answer; {settings.home / 'logs' / 'stalled.log'} shows where. Run it again when that is mended; "
            "REELMILL_STALLED_AFTER_S is the time to wait."
        )


@contextmanager
def watched(spark: SparkSession, settings: Settings, abandon: Callable[[JobStalled], object]) -> Iterator[None]:
    """Raises JobStalled in the body when nothing moves in it for `settings.stalled_after_s`.

    A body that cannot be woken is handed to `abandon` as that error, and the process ends.
    """
    over, stalled = threading.Event(), threading.Event()
    # A child of this process, or its parent when spark-submit started it; Spark's Python workers are below it.
    jvm = spark.sparkContext._jvm
    assert jvm is not None, "a session that runs has a driver"
    driver = psutil.Process(jvm.java.lang.ProcessHandle.current().pid())
    is_main = threading.current_thread() is threading.main_thread()

    def watch() -> None:
        if _wait(spark, driver, settings.stalled_after_s, over):
            return
        stalled.set()
        # What the job waits for may be the very disk.
        with suppress(OSError):
            _write_stacks(settings.home / "logs" / "stalled.log")
        # As Ctrl-C, after which everything here is tidied up.
        if is_main:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        if not is_main or not over.wait(GRACE_S):
            # One that does not answer holds up whoever asks it; its end is an error to them.
            driver.kill()
        if not over.wait(GRACE_S):
            error = JobStalled(settings)
            print(error, file=sys.stderr, flush=True)
            try:
                abandon(error)
            finally:
                os._exit(1)

    threading.Thread(target=watch, name="watchdog", daemon=True).start()
    try:
        yield
    except BaseException as error:
        if stalled.is_set():
            raise JobStalled(settings) from error
        raise
    finally:
        over.set()


def _write_stacks(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as log:
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, process {os.getpid()}", file=log, flush=True)
        faulthandler.dump_traceback(log)


def _wait(spark: SparkSession, driver: psutil.Process, patience: float, over: threading.Event) -> bool:
    """Wait until the job is over; False when nothing moved for so many seconds before."""
    every = min(LOOK_EVERY_S, patience / 4)
    tasks = threading.Event()
    # In a thread of its own, since a JVM that hangs does not answer the question either.
    threading.Thread(target=_follow_tasks, args=(spark, every, tasks, over), daemon=True).start()
    quiet, used, looking = 0.0, _processor_seconds(driver), time.thread_time()
    while not over.wait(every):
        before, used = used, _processor_seconds(driver)
        # To look is work too, the more processes the machine has.
        looked, looking = looking, time.thread_time()
        new = sum(seconds - before.get(process, 0.0) for process, seconds in used.items()) - (looking - looked)
        quiet = 0.0 if tasks.is_set() or new > IDLE * every else quiet + every
        tasks.clear()
        if quiet >= patience:
            return False
    return True


def _follow_tasks(spark: SparkSession, every: float, moved: threading.Event, over: threading.Event) -> None:
    """Say whenever a stage begins or a task ends; on a cluster the processors that work are not of this machine."""
    tracker, before = spark.sparkContext.statusTracker(), None
    # A driver that is gone says nothing more.
    with suppress(Py4JError):
        while not over.wait(every):
            now = {info.stageId: info.numCompletedTasks for info in running_stages(tracker)}
            if now != before:
                moved.set()
            before = now


def _processor_seconds(driver: psutil.Process) -> dict[psutil.Process, float]:
    """What this process, Spark's driver and all below them have used so far, by process."""
    used = {}
    for root in (psutil.Process(), driver):
        # Processes end at any time, between two lines of this too.
        with suppress(psutil.NoSuchProcess):
            for process in (root, *root.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    # With what its children used that have ended since, such as one encoder for each clip.
                    used[process] = sum(process.cpu_times()[:4])
    return used
