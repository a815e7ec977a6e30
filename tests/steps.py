"""What tests have in common that look at several processes: waiting for what happens elsewhere, and a table of what
was done.

Belongs here: no more than that. What is waited for is each test's own.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

import httpx

Found = TypeVar("Found")


def wait(what: Callable[[], Found], seconds: float = 60, why: Callable[[], object] = lambda: None) -> Found:
    """What it finds, as soon as it finds anything; what is not ready to be asked may refuse to answer meanwhile.

    A machine on which much else runs takes ten times as long as a quiet one, and a failing test may wait.
    """
    began = time.monotonic()
    while True:
        try:
            if found := what():
                return found
        except httpx.HTTPError:
            pass
        waited = time.monotonic() - began
        assert waited < seconds, why()
        time.sleep(min(1.0, 0.01 + waited / 10))


class Steps:
    """What was done, with its seconds and what was seen."""

    def __init__(self) -> None:
        self._done: list[tuple[str, float, list[str]]] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[list[str]]:
        print(f"{datetime.now():%H:%M:%S} {name}", file=sys.stderr, flush=True)
        began, noted = time.monotonic(), list[str]()
        yield noted
        self._done.append((name, time.monotonic() - began, noted))

    def show(self) -> None:
        print(*(f"{seconds:7.1f} s  {name:<66} {'; '.join(noted)}" for name, seconds, noted in self._done), sep="\n")
