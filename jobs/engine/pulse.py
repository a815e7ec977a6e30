"""Says now and then how far a job is, for the log of a task that nobody watches on a terminal.

Belongs here: which Spark stages run, and a line about them every half minute. Progress on a terminal:
jobs/command/progress.py. Ending a job in which nothing moves: watchdog.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from py4j.protocol import Py4JError
from pyspark import SparkStageInfo, StatusTracker
from pyspark.sql import SparkSession

EVERY_S = 30.0


def running_stages(tracker: StatusTracker) -> list[SparkStageInfo]:
    """The stages that run at this moment."""
    return [info for stage in tracker.getActiveStageIds() if (info := tracker.getStageInfo(stage))]


@contextmanager
def pulse(spark: SparkSession, name: str, say: Callable[[str], object], every_s: float = EVERY_S) -> Iterator[None]:
    """While the body runs, `say` every so often for how long it has, and how far its Spark stages are."""
    tracker, began, over = spark.sparkContext.statusTracker(), time.monotonic(), threading.Event()

    def follow() -> None:
        # A driver that is gone says nothing more; what became of it is the runner's to tell.
        with suppress(Py4JError, OSError):
            while not over.wait(every_s):
                say(f"{name} has run for {time.monotonic() - began:.0f} s; {_stages(running_stages(tracker))}")

    thread = threading.Thread(target=follow, name="pulse", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _stages(running: list[SparkStageInfo]) -> str:
    if not running:
        return "no Spark stage runs, so it works in Python or waits"
    done, total = sum(info.numCompletedTasks for info in running), sum(info.numTasks for info in running)
    return f"Spark: {done} of {total} tasks done, in {', '.join(sorted({info.name for info in running}))}"
