"""When a DAG runs: at the ticks of a cron expression, and at no tick that was over before anybody asked for runs.

Belongs here: the timetable only, since Airflow's scheduler imports it too, through the plugin in plugins/. Which
expression a DAG has: the file of that DAG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.timetables.base import DagRunInfo
from airflow.timetables.trigger import CronTriggerTimetable
from airflow.utils.types import DagRunType

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun


class Ticks(CronTriggerTimetable):
    """Airflow's cron timetable, for which a backfill does not decide when the next run is due.

    Airflow takes the newest backfilled day for the last scheduled one. The next tick after it was long ago, and without
    catch-up it would at once start the newest tick that is over: a night that nobody asked for.
    """

    def run_info_from_dag_run(self, *, dag_run: DagRun) -> DagRunInfo:
        """What Airflow's rule of the next run goes by; None after a backfill, as before the first run."""
        if dag_run.run_type == DagRunType.BACKFILL_JOB:
            return None  # type: ignore[return-value]  # its caller says "or None if not yet scheduled"
        return super().run_info_from_dag_run(dag_run=dag_run)
