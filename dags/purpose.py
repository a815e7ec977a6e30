"""What a DAG run is for: the day, or the instant, that its jobs work for.

Belongs here: that rule, for a task's arguments and for the run's note, and nothing that imports Airflow. The window
that a job makes of it: jobs/engine/window.py. Writing the note: plugins/reelmill.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol


class AnyRun(Protocol):
    """A DAG run, as a task or as the scheduler has it."""

    run_type: Any
    conf: dict[str, Any] | None
    logical_date: datetime | None
    run_after: datetime


def purpose(run: AnyRun, params: Mapping[str, Any]) -> str:
    """The day that was asked for, or the instant from which each job takes its five minutes, its hour or its day.

    The form that triggers a run always sends a day, and a logical date of this very moment beside it. A schedule and a
    backfill say what they are for by the logical date alone; a backfill's form sends the day too, the same one for
    every run.
    """
    if run.run_type == "manual" and (asked := (run.conf or {}).get("day")):
        return str(asked)
    if run.logical_date is not None:
        return run.logical_date.isoformat()
    return str(params.get("day") or run.run_after.isoformat())


def note(run: AnyRun, params: Mapping[str, Any]) -> str:
    """What a run is for, in words: a day where the run's DAG works by the day, else an instant."""
    asked = purpose(run, params)
    by_day = "day" in params or len(asked) == len("2026-01-18")
    return f"Works for {asked[:10] if by_day else asked[:16].replace('T', ' ')} (UTC)."
