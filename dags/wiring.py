"""Turns what the jobs declare into one Airflow DAG: a task per job, an Asset per table, order from reads and writes.

Belongs here: what is the same for every DAG. Which pipeline a DAG runs, and when: the file of that DAG. Nothing here
may import what takes long (Feast, Great Expectations, Dagster, a Spark session): Airflow parses it again and again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, Asset, BaseHook, Context, Param
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.sdk.exceptions import AirflowException, AirflowSkipException

from dags import telling
from dags.gate import Gate
from dags.pools import pool_of
from dags.purpose import purpose
from dags.timetable import Ticks
from jobs.engine.cadence import PIPELINES, Cadence
from jobs.engine.freshness import patience
from jobs.engine.job import Job
from jobs.engine.query import newest_whole_day
from jobs.engine.spark import configuration
from jobs.errors import ReelmillError
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
# It looks at some files.
GATE_TIMEOUT = timedelta(minutes=10)
# Filled in by Airflow. The id of an attempt is that of the job's run too: in ops.job_runs, in each commit that it
# makes, and with the rows that it sets aside.
ARGUMENTS = ["--date", "{{ purpose(dag_run, params) }}", "--run-id", "{{ ti.id }}"]


def pipeline_dag(name: str, *, cron: str, covers: timedelta, doc: str) -> DAG:
    """The DAG `reelmill_<name>`: every job of that pipeline, each for the window of the run's logical date.

    `covers` is the span that one run looks back on: a run at 02:00 that covers a day has the day before as its logical
    date, whether scheduled or backfilled. Triggered by hand, a DAG that works by the day asks for the day.
    """
    jobs = jobs_of(name)
    asks = any(job.every in ("day", "night") for job in jobs)
    # The jobs before those of its own cadence have a DAG that runs more often.
    own = PIPELINES[name][-1]
    dag = DAG(
        dag_id=f"reelmill_{name}",
        # Zero, or unpausing a DAG at three in the morning would at once run the two o'clock that nobody asked for.
        schedule=Ticks(cron, timezone="UTC", interval=covers, run_immediately=timedelta(0)),
        catchup=False,  # a day job covers by itself the days that were missed (jobs/engine/coverage.py)
        max_active_runs=1,
        default_args={
            "owner": "data-team",
            "on_failure_callback": telling.closing,
            "on_retry_callback": telling.closing,
            **RETRIES,
        },
        user_defined_macros={"purpose": purpose},
        deadline=[_deadline(table, job) for job in jobs if job.every == own for table in job.writes],
        doc_md=doc,
        params={"day": _day(Settings())} if asks else None,
        tags=["reelmill", *sorted({job.name.split(".")[0] for job in jobs})],
    )
    # What is done for a day is done whether something has arrived or not.
    is_gated = not asks
    # A job that had nothing to do keeps nobody else from theirs; a gate that is skipped keeps everybody.
    rule = "none_failed_min_one_success" if is_gated else "none_failed"
    tasks = {job.name: _task(job, dag, rule) for job in jobs}
    for job in jobs:
        for earlier in upstream(job, jobs):
            tasks[earlier.name] >> tasks[job.name]
    if is_gated:
        Gate(dag=dag, task_id="gate", jobs=list(tasks), execution_timeout=GATE_TIMEOUT) >> list(tasks.values())
    return dag


def upstream(job: Job, among: Iterable[Job]) -> list[Job]:
    """The other jobs that write what this one reads."""
    return [other for other in among if other is not job and set(other.writes) & set(job.reads)]


def _deadline(table: str, job: Job) -> DeadlineAlert:
    """By when a run must have ended so that the table keeps its contract's freshness."""
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=patience(table, job),
        callback=AsyncCallback(telling.overdue, kwargs={"table": table}),
        name=table,
    )


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
        from jobs.engine import runs

        arguments, started = self.application_args or [], datetime.now(UTC)
        # Who triggers a run by hand wants to see it run.
        by_hand = context["dag_run"].run_type == "manual"
        try:
            self.log.info(telling.opening(submit.asked(arguments), context))
            reason = None if by_hand else submit.nothing_new(arguments)
            if not reason:
                self._run(context, arguments)
        except (ReelmillError, AirflowException) as error:
            failed = telling.failure(error, context)
            if telling.was_killed(error):
                job, window, _ = submit.asked(arguments)
                killed = submit.JobKilled(job.name)
                runs.record_killed(job.name, window, str(context["ti"].id), killed, Settings(), started)
            raise failed from None
        if reason:
            raise AirflowSkipException(reason)
        if done := runs.outcome(str(context["ti"].id), Settings()):
            telling.announce(done.run, context)

    def _run(self, context: Context, arguments: list[str]) -> None:
        from jobs import submit

        master = BaseHook.get_connection(self._conn_id).host or ""
        settings = Settings().model_copy(update={"spark_master": master})
        if not settings.is_local:
            self.conf = {key: value for key, value in configuration(settings).items() if key != "spark.master"}
            # Spark looks for `python3` on the PATH, which need not be the one that has our packages.
            self.env_vars = {"PYSPARK_PYTHON": sys.executable, "REELMILL_SPARK_MASTER": master}
            return super().execute(context)
        for line in submit.warmly(arguments, {"REELMILL_SPARK_MASTER": master}):
            self.log.info(line)


def _task(job: Job, dag: DAG, trigger_rule: str) -> JobOperator:
    return JobOperator(
        dag=dag,
        task_id=job.name,
        name=job.name,
        application=str(APPLICATION),
        application_args=["--job", job.name, *ARGUMENTS],
        inlets=[Asset(table) for table in job.reads],
        outlets=[Asset(table) for table in job.writes],
        pool=pool_of(job),
        execution_timeout=TIMEOUTS[job.every],
        trigger_rule=trigger_rule,
        doc_md=job.doc,
    )
