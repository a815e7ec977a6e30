"""Seconds, processor time and peak memory of a part of the work.

Belongs here: the measurement. What is measured: protocol.py, and the scripts of bench/.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

# Arrays that matter live longer than this.
EVERY_S = 0.02
# Processes live longer than this, and finding them costs milliseconds.
EVERY_LOOK_S = 1.0


@dataclass
class Spent:
    """Seconds on the clock and of all cores, and the most memory held meanwhile, what was there before included.

    Of this process and of those that it started, Spark's JVM among them; memory that several share counts in each.
    """

    seconds: float = 0.0
    peak_mb: float = 0.0
    core_seconds: float = 0.0

    def then(self, other: Spent) -> Spent:
        """Both one after the other."""
        return Spent(
            self.seconds + other.seconds,
            max(self.peak_mb, other.peak_mb),
            self.core_seconds + other.core_seconds,
        )


@contextmanager
def measured() -> Iterator[Spent]:
    """What the block takes; the result holds it once the block has ended."""
    spent, over = Spent(), threading.Event()

    def watch() -> None:
        looked_at, family = -EVERY_LOOK_S, []
        while True:
            if time.monotonic() - looked_at > EVERY_LOOK_S:
                looked_at, family = time.monotonic(), _family()
            spent.peak_mb = max(spent.peak_mb, sum(map(_held_mb, family)))
            if over.wait(EVERY_S):
                return

    watcher = threading.Thread(target=watch, daemon=True)
    begun, used = time.monotonic(), sum(map(_core_seconds, _family()))
    watcher.start()
    try:
        yield spent
    finally:
        over.set()
        watcher.join()
        spent.seconds = time.monotonic() - begun
        spent.core_seconds = sum(map(_core_seconds, _family())) - used


def _family() -> list[psutil.Process]:
    """This process and those that it started."""
    import psutil

    this = psutil.Process()
    return [this, *this.children(recursive=True)]


def _held_mb(process: psutil.Process) -> float:
    import psutil

    try:
        return float(process.memory_info().rss) / 1e6
    except psutil.NoSuchProcess:
        return 0.0


def _core_seconds(process: psutil.Process) -> float:
    """Its own, and those of the processes that it started and that have ended."""
    import psutil

    try:
        # user, system, children_user and children_system; a fifth would be what it waited for the disk.
        return float(sum(process.cpu_times()[:4]))
    except psutil.NoSuchProcess:
        return 0.0
