"""What a job declares: its tables and how often it runs.

Belongs here: the declaration only, importable in milliseconds, since Airflow parses it. How often jobs run:
cadence.py. The window a job works on: window.py. Running a job: runner.py. The list of all jobs: pipeline.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from jobs.engine.cadence import Cadence

if TYPE_CHECKING:
    from jobs.engine.lake import Lake
    from jobs.engine.window import Window
    from jobs.settings import Settings


# Whether something has come from outside the lake since an instant, told in milliseconds and without Spark.
Arrived = Callable[["Settings", datetime], bool]


class Sought(NamedTuple):
    """The rows of a table that give a job work: those whose column has the value."""

    table: str
    column: str
    value: str


@dataclass(frozen=True)
class Job:
    """A declared job. Calling it runs its function and nothing else; the runner adds lock, record and commit id.

    `counted_at`: of an hourly job that makes up for what comes late, the times of its first input's rows, each of which
    counts in the hour that holds it (hours.py). `formula`: what its rows are made by, as far as that is text; of
    another one all is owed again (coverage.py). `recalls`: tables of which it reads what earlier windows left, so
    that it waits for nobody who writes them. `seeks`: of these tables, only such rows give a five-minute job work.
    """

    name: str
    every: Cadence
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    function: Callable[[Lake, Window], None]
    doc: str
    arrived: Arrived | None = None
    counted_at: tuple[str, ...] = ()
    formula: str = ""
    recalls: tuple[str, ...] = ()
    seeks: tuple[Sought, ...] = ()

    def __call__(self, lake: Lake, window: Window) -> None:
        self.function(lake, window)


def job(
    *,
    every: Cadence,
    reads: Sequence[str],
    writes: Sequence[str],
    arrived: Arrived | None = None,
    recalls: Sequence[str] = (),
    seeks: Sequence[Sought] = (),
) -> Callable[[Callable[[Lake, Window], None]], Job]:
    """Declare the one entry of a job module; its name is the module's, without `jobs.`.

    A job that takes in what lies outside the lake says by `arrived` how it is told that there is more (idle.py).
    """

    def declare(function: Callable[[Lake, Window], None]) -> Job:
        module = sys.modules[function.__module__]
        name = function.__module__.removeprefix("jobs.")
        doc = module.__doc__ or ""
        return Job(
            name,
            every,
            tuple(reads),
            tuple(writes),
            function,
            doc,
            arrived,
            recalls=tuple(recalls),
            seeks=tuple(seeks),
        )

    return declare
