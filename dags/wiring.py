"""Turns what the jobs declare into one Airflow DAG: a task per job, an Asset per table, order from reads and writes.

Belongs here: what is the same for every DAG. Which pipeline a DAG runs, and when: the file of that DAG. Nothing here
may import what takes long (Feast, Great Expectations, Dagster, a Spark session): Airflow parses it again and again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import timedelta

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, Asset, BaseHook, Context, Param
from airflow.sdk.exceptions import AirflowSkipException

from dags.timetable import Ticks
from jobs.engine.cadence import Cadence
from jobs.engine.job import Job
from jobs.engine.query import newest_whole_day
from jobs.engine.spark import configuration
from jobs.pipeline import jobs_of
from jobs.settings import REPOSITORY, Settings

APPLICATION = REPOSITORY / "jobs" / "submit.py"

# A retry repeats the same window, which gives the same table, so trying again is always safe.
RETRIES = {
    "retries": 2,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=15),
}
# Longer than any healthy run; what still runs then hangs, and would hold up every later run of its DAG.
TIMEOUTS: dict[Cadence, timedelta] = {
    "5min": timedelta(hours=1),
    "hour": timedelta(hours=1),
    "day": timedelta(hours=3),
    "night": timedelta(hours=3),
}
# The form that triggers a run always sends a day, and a logical date of this very moment beside it. A schedule and a
# backfill say what they are for by the logical date alone; a backfill's form sends the day too, the same one for every
# run. It is an instant, from which a job takes its five minutes, its hour or its day (jobs/engine/window.py).
RUN_IS_FOR = (
    "{% set asked = (dag_run.conf or {}).get('day') if dag_run.run_type == 'manual' else none %}"
    "{{ asked or (logical_date | ts if logical_date is defined else params.get('day') or dag_run.run_after | ts) }}"
)


def pipeline_dag(name: str, *, cron: str, covers: timedelta, doc: str) -> DAG:
    """The DAG `reelmill_<name>`: every job of that pipeline, each for the window of the run's logical date.

    `covers` is the span that one run looks back on: a run at 02:00 that covers a day has the day before as its logical
    date, whether scheduled or backfilled. Triggered by hand, a DAG that works by the day asks for the day.
    """
    jobs = jobs_of(name)
    asks = any(job.every in ("day", "night") for job in jobs)
    dag = DAG(
        dag_id=f"reelmill_{name}",
        # Zero, or unpausing a DAG at three in the morning would at once run the two o'clock that nobody asked for.
        schedule=Ticks(cron, timezone="UTC", interval=covers, run_immediately=timedelta(0)),
        catchup=False,  # a day job covers by itself the days that were missed (jobs/engine/coverage.py)
        max_active_runs=1,
        default_args={"owner": "data-team", **RETRIES},
        doc_md=doc,
        params={"day": _day(Settings())} if asks else None,
        tags=["reelmill", *sorted({job.name.split(".")[0] for job in jobs})],
    )
    tasks = {job.name: _task(job, dag) for job in jobs}
    for job in jobs:
        for earlier in upstream(job, jobs):
            tasks[earlier.name] >> tasks[job.name]
    return dag


def upstream(job: Job, among: Iterable[Job]) -> list[Job]:
    """The other jobs that write what this one reads."""
    return [other for other in among if other is not job and set(other.writes) & set(job.reads)]


def _day(settings: Settings) -> Param:
    """The day that a run by hand is for."""
    return Param(
        str(newest_whole_day(settings)),
        type="string",
        format="date",
        title="Day",
        description="The day (UTC) to work for. At first the last day that is over and has watches.",
    )


class JobOperator(SparkSubmitOperator):
    """Runs a job by spark-submit, or, where the connection says that Spark is this machine, in a process that waits.

    The master is the connection's to say, so that an operator can move the jobs to a cluster in the UI.
    Starting a JVM and importing what a job needs takes as long as most jobs on a day's rows (decision 0024).
    """

    def execute(self, context: Context) -> None:
        from jobs import submit  # not for every parse of the file

        # Who triggers a run by hand wants to see it run.
        by_hand = context["dag_run"].run_type == "manual"
        if not by_hand and (reason := submit.nothing_new(self.application_args or [])):
            raise AirflowSkipException(reason)
        master = BaseHook.get_connection(self._conn_id).host or ""
        settings = Settings().model_copy(update={"spark_master": master})
        if not settings.is_local:
            self.conf = {key: value for key, value in configuration(settings).items() if key != "spark.master"}
            # Spark looks for `python3` on the PATH, which need not be the one that has our packages.
            self.env_vars = {"PYSPARK_PYTHON": sys.executable, "REELMILL_SPARK_MASTER": master}
            return super().execute(context)
        for line in submit.warmly(self.application_args or [], {"REELMILL_SPARK_MASTER": master}):
            self.log.info(line)


def _task(job: Job, dag: DAG) -> JobOperator:
    return JobOperator(
        dag=dag,
        task_id=job.name,
        name=job.name,
        application=str(APPLICATION),
        application_args=["--job", job.name, "--date", RUN_IS_FOR],
        inlets=[Asset(table) for table in job.reads],
        outlets=[Asset(table) for table in job.writes],
        execution_timeout=TIMEOUTS[job.every],
        # A job that had nothing to do keeps nobody else from theirs.
        trigger_rule="none_failed",
        doc_md=job.doc,
    )
