"""The command, which dies by SIGKILL at a point of its work that has a name: python -m tests.faults.dies POINT WORD...

Belongs here: the points. Who starts it: platform.py.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

# Before or after which function, by the name under which it is called.
POINTS = {
    "all is set aside and nothing inserted yet": ("before", "jobs.events.ingest", "insert"),
    "events are inserted, and contradictions not set aside": ("before", "jobs.events.ingest", "contradicting"),
    "a batch is in the table and not marked as done": ("before", "jobs.engine.stream", "_remember"),
    "the versions are noted and the batch not marked": ("after", "jobs.engine.stream", "_remember"),
    "batches are marked, and their files still there": ("before", "jobs.events.ingest", "archive"),
    "watches are made, and the batch is not marked": ("after", "jobs.events.watches", "_remake"),
    "what a dead endpoint left is visible": ("after", "jobs.events.ingest", "recover"),
}
# Of the endpoint.
ENDPOINT = {"events are kept, and nobody is told": ("after", "serving.events", "_take")}


def die_at(when: str, module: str, name: str) -> None:
    """Let this process die the next time that the function is called."""
    owner = import_module(module)
    function: Callable[..., Any] = getattr(owner, name)

    def dies(*given: Any, **named: Any) -> Any:
        if when == "after":
            function(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dies)


if __name__ == "__main__":
    point, *words = sys.argv[1:]
    die_at(*(POINTS | ENDPOINT)[point])
    from jobs.command.cli import cli

    cli(words)
