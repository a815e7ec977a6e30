"""Airflow plugin: makes our timetable one that the scheduler can load.

Belongs here: what Airflow loads by plugin only. The timetable: dags/timetable.py.
"""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from dags.timetable import Ticks


class ReelmillPlugin(AirflowPlugin):
    """Named as Airflow's plugin list shows it."""

    name = "reelmill"
    timetables: list[Any] = [Ticks]  # noqa: RUF012  # the base class has it so
