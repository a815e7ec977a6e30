"""Airflow plugin: our timetable for the scheduler, the note of each run that says what it is for, and the pools.

Belongs here: what Airflow loads by plugin only. The timetable: dags/timetable.py. The note: dags/purpose.py. Which
pools there are: dags/pools.py.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from dags.purpose import note
from dags.timetable import Ticks

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun


class Pools:
    """Makes the pools that are missing when a part of Airflow starts; one that a person has changed stays."""

    @hookimpl
    def on_starting(self, component: object) -> None:
        """Tasks start too, and have no database."""
        if type(component).__name__ != "Job":
            return
        # Only here: a task loads this plugin as well.
        from airflow.models.pool import Pool
        from airflow.utils.session import create_session
        from sqlalchemy.exc import IntegrityError

        from dags.pools import SLOTS, pools
        from jobs.pipeline import JOBS

        for name in pools(JOBS.values()):
            # The parts start at the same time.
            with suppress(IntegrityError), create_session() as session:
                if Pool.get_pool(name, session=session) is None:
                    session.add(Pool(pool=name, slots=SLOTS, description="One at a time.", include_deferred=False))


class Notes:
    """Has the scheduler note on a run what it works for, which its page and the list of runs show."""

    @hookimpl
    def on_dag_run_running(self, dag_run: DagRun) -> None:
        """A person's own note stays."""
        if not dag_run.note:
            dag_run.note = note(dag_run, dag_run.dag.params.dump() if dag_run.dag else {})


class ReelmillPlugin(AirflowPlugin):
    """Named as Airflow's plugin list shows it."""

    name = "reelmill"
    timetables: list[Any] = [Ticks]  # noqa: RUF012  # the base class has it so
    listeners: list[Any] = [Notes(), Pools()]  # noqa: RUF012  # the base class has it so
