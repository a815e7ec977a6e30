"""Seconds and peak memory of a part of the work.

Belongs here: the measurement. What is measured: protocol.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# Arrays that matter live longer than this.
EVERY_S = 0.02


@dataclass
class Spent:
    """Seconds on the clock, and the most memory that the process held meanwhile, all that was there before included."""

    seconds: float = 0.0
    peak_mb: float = 0.0

    def then(self, other: Spent) -> Spent:
        """Both one after the other."""
        return Spent(self.seconds + other.seconds, max(self.peak_mb, other.peak_mb))


@contextmanager
def measured() -> Iterator[Spent]:
    """What the block takes; the result holds it once the block has ended."""
    import psutil

    process, spent, over = psutil.Process(), Spent(), threading.Event()

    def watch() -> None:
        while True:
            spent.peak_mb = max(spent.peak_mb, process.memory_info().rss / 1e6)
            if over.wait(EVERY_S):
                return

    watcher = threading.Thread(target=watch, daemon=True)
    begun = time.monotonic()
    watcher.start()
    try:
        yield spent
    finally:
        over.set()
        watcher.join()
        spent.seconds = time.monotonic() - begun
