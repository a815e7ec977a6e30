"""A polite end: SIGTERM and SIGHUP unwind the program, so that what it started is stopped.

Belongs here: turning these signals into an exception. What is stopped, and how: whoever started it, in a `finally`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

POLITE = (signal.SIGTERM, signal.SIGHUP)
# Longer than any clean-up: so long an impatient second signal must not cut it short. A later one raises again, since
# Python drops an exception that is raised inside a finaliser or a callback, and the program would be deaf for ever.
CLEAN_UP_S = 30.0


class Stopped(SystemExit):
    """The program was told to end by a signal. Its code is the one that a shell would show."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.name = signal.Signals(number).name

    def __str__(self) -> str:
        return f"told to end by {self.name}"


@contextmanager
def unwinding() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise Stopped.

    By default they end Python at once and no `finally` runs. A handler that is there already stays: `nohup` ignores
    SIGHUP on purpose. In another thread than the main one Python hands out no signals, so nothing changes there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    raised: float | None = None

    def leave(number: int, _: object) -> None:
        nonlocal raised
        now = time.monotonic()
        if raised is None or now - raised > CLEAN_UP_S:
            raised = now
            raise Stopped(number)

    ours = [number for number in POLITE if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
