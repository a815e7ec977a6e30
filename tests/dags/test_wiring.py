"""What a task of a DAG does when it is executed."""

import os
import subprocess
import sys
from pathlib import Path

from jobs.command.orchestrators import airflow_environment
from jobs.settings import REPOSITORY, Settings

# In a process of its own: importing Airflow takes seconds, rewires logging and writes into AIRFLOW_HOME.
EXECUTED = """
from types import SimpleNamespace
from airflow.sdk.exceptions import AirflowSkipException
from dags.reelmill_ingest import dag

for task in dag.tasks:
    task.application_args = [*task.application_args[:-1], "2026-01-10T12:00:00Z"]
    try:
        task.execute({"dag_run": SimpleNamespace(run_type="scheduled")})
    except AirflowSkipException as skipped:
        print(task.task_id, "is skipped:", skipped)
"""


def test_a_scheduled_task_that_has_nothing_to_do_is_skipped_with_its_reason(night: Path) -> None:
    environment = {**os.environ, **airflow_environment(Settings(home=night), 8080, "redis://unused")}
    done = subprocess.run(
        [sys.executable, "-c", EXECUTED], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    skipped = [line.partition(" is skipped: ")[::2] for line in done.stdout.splitlines() if " is skipped: " in line]
    assert {task for task, _ in skipped} == {"events.ingest", "media.ingest", "media.publish", "events.watches"}
    assert all(reason.startswith(f"Nothing has arrived for {task} since its run of 20") for task, reason in skipped)
