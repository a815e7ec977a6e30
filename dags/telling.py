"""What Airflow says of a job: how a task's log begins, the sentence with which it fails, the asset events of what it
wrote, and what becomes of a table's deadline.

Belongs here: words and events for people who look at Airflow. What a job says itself: jobs/submit.py. The operator, and
when a task is made: wiring.py. What Dagster is told: reports.py.
"""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout

from jobs.errors import LastingError

if TYPE_CHECKING:
    from jobs.engine.runs import JobRun
    from jobs.submit import Asked

# What a shell or Python says of a process that the kernel killed.
KILLED = {"-9", "137"}
_SUBMIT_CODE = re.compile(r"Error code is: (-?\d+)")
# How often whoever waits for an instant looks at the clock.
LOOK_EVERY = timedelta(seconds=10)
log = logging.getLogger(__name__)


class TaskFailed(AirflowException):
    """A job failed in a way that may mend itself, so that Airflow tries again."""


class TaskFailedForGood(AirflowFailException):
    """A job failed in a way that only a person mends, so that Airflow does not try again."""


def opening(request: Asked, context: Context) -> str:
    """What the task is about to do, and how the job's last run went if that failed."""
    from jobs.engine import runs
    from jobs.settings import Settings

    ti = context["ti"]
    attempt = f"attempt {ti.try_number} of {ti.max_tries + 1}"
    before = runs.last(request.job.name, Settings())
    failed = f" Its last run failed: {before.error}" if before and before.error else ""
    return f"{request.job.name} works for {request.window}, {attempt}, as run {request.run_id}.{failed}"


def failure(error: BaseException, context: Context) -> TaskFailed | TaskFailedForGood:
    """The error that the task ends with: the cause, what to do, and which task to clear, in one line."""
    from jobs.submit import FOR_GOOD

    ti, code = context["ti"], _submit_code(error)
    for_good = isinstance(error, LastingError) or code == str(FOR_GOOD)
    if not for_good and ti.try_number <= ti.max_tries:
        then = f"It is tried again by itself, as attempt {ti.try_number + 1}."
    else:
        then = (
            f"When that is mended, clear the task {ti.task_id} of {ti.dag_id} with Downstream: the same window is "
            "worked on again."
        )
    sentence = f"{_cause(error, code, ti)} {then}"
    return TaskFailedForGood(sentence) if for_good else TaskFailed(sentence)


def was_killed(error: BaseException) -> bool:
    """Whether the process of the job was killed, so that it could not record its run itself."""
    from jobs.submit import JobKilled

    return isinstance(error, JobKilled) or _submit_code(error) in KILLED


def closing(context: Context) -> None:
    """Airflow calls this last of all when a task has failed, be it to try again."""
    error = context.get("exception")
    if not isinstance(error, TaskFailed | TaskFailedForGood):
        error = failure(error if isinstance(error, BaseException) else RuntimeError(str(error)), context)
    # Out of the group in which Airflow folds away what comes after the work.
    log.info("::endgroup::")
    log.error("%s", error)


def announce(run: JobRun, context: Context) -> None:
    """One asset event for each table that the run wrote, with its rows, version and window, and none for the others."""
    task = context["ti"].task
    # From what Airflow then reads of the task it makes the events.
    task.outlets = [asset for asset in task.outlets if any(commit.table == asset.name for commit in run.commits)]
    for asset in task.outlets:
        commits = [commit for commit in run.commits if commit.table == asset.name]
        context["outlet_events"][asset].extra = {
            "rows": sum(commit.rows for commit in commits),
            "delta_version": commits[-1].version,
            "window": str(run.window),
            "run_id": run.run_id,
        }


async def overdue(table: str) -> str:
    """Airflow calls this in its triggerer when a run has not ended by a table's deadline; the sentence is its output.

    It waits until the table is late indeed: the deadline counts from when the run was due, and lateness from when the
    last good one ended, which is some minutes later. Then it says what `reelmill late` does, in the triggerer's log too
    and in logs/late.log of the home.
    """
    from jobs.engine import late
    from jobs.engine.freshness import GRACE
    from jobs.pipeline import JOBS, WRITERS
    from jobs.settings import Settings

    settings = Settings()
    # In threads: other triggers of the process wait for none of this.
    at = await asyncio.to_thread(late.due, table, WRITERS[table], settings)
    while at is not None and timedelta() < (left := at - datetime.now(UTC)) <= GRACE:
        # Not all of it at once: a sleep ends late where the machine was asleep meanwhile, or its clock was set.
        await asyncio.sleep(min(left, LOOK_EVERY).total_seconds())
        if datetime.now(UTC) >= at:
            at = await asyncio.to_thread(late.due, table, WRITERS[table], settings)
    try:
        found = await asyncio.to_thread(late.late, JOBS.values(), settings, datetime.now(UTC))
    except late.NothingRan as error:
        log.error("%s", error)
        return f"{table} was never made. {error}"
    for one in found:
        if one.table == table:
            log.error("%s", one)
            await asyncio.to_thread(late.write_down, one, settings)
            return str(one)
    return f"{table} is not late: it was made after its deadline, by another run or by this one."


def _cause(error: BaseException, code: str | None, ti: Any) -> str:
    from jobs.engine import runs
    from jobs.settings import Settings
    from jobs.submit import JobKilled

    if was_killed(error):
        return str(JobKilled(ti.task_id))
    if isinstance(error, AirflowTaskTimeout):
        return (
            f"{ti.task_id} failed: it took longer than {ti.task.execution_timeout} and was ended. Its lines above say "
            "how far it was; if it was getting on, give its cadence more time in TIMEOUTS of dags/wiring.py."
        )
    if code is not None:
        # Spark's own words are pages; the job has written down its own.
        recorded = runs.outcome(str(ti.id), Settings())
        if recorded and recorded.error:
            return f"{ti.task_id} failed for {recorded.run.window}. {recorded.error}"
        return f"{ti.task_id} failed: spark-submit ended with code {code}. The lines above say why."
    return " ".join(str(error).split()) or type(error).__name__


def _submit_code(error: BaseException) -> str | None:
    found = _SUBMIT_CODE.search(str(error)) if isinstance(error, AirflowException) else None
    return found[1] if found else None
