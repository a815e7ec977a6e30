"""When a DAG runs next, as Airflow's scheduler works it out."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.command.orchestrators import airflow_environment
from jobs.settings import REPOSITORY, Settings

# In a process of its own: importing Airflow takes seconds, rewires logging and writes into AIRFLOW_HOME.
NEXT_RUNS = """
import json
from datetime import UTC, datetime, timedelta
from airflow.models.dagrun import DagRun
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import DataInterval, TimeRestriction
from dags.reelmill_nightly import dag

ticks = decode_timetable(encode_timetable(dag.timetable))  # as the scheduler gets it
tick = datetime(2024, 1, 5, 2, tzinfo=UTC)
found = {}
for kind in ("backfill", "scheduled"):
    interval = (tick - timedelta(days=1), tick)
    run = DagRun(dag_id=dag.dag_id, run_id=kind, run_type=kind, logical_date=interval[0], run_after=tick,
                 data_interval=interval)
    following = ticks.next_dagrun_info_v2(
        last_dagrun_info=ticks.run_info_from_dag_run(dag_run=run),
        restriction=TimeRestriction(earliest=None, latest=None, catchup=False),
    )
    found[kind] = following.run_after.isoformat()
print(json.dumps(found))
"""


@pytest.mark.airflow
def test_a_backfill_starts_no_scheduled_run_and_a_missed_tick_is_still_made_up_for(tmp_path: Path) -> None:
    environment = {**os.environ, **airflow_environment(Settings(home=tmp_path), 8080, "redis://localhost")}
    done = subprocess.run(
        [sys.executable, "-c", NEXT_RUNS], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    following = {kind: datetime.fromisoformat(at) for kind, at in json.loads(done.stdout.splitlines()[-1]).items()}
    now = datetime.now(UTC)
    assert now < following["backfill"] < now + timedelta(days=1, minutes=1)
    # The scheduler was down: the newest tick that it slept through is made up for, as before.
    assert now - timedelta(days=1, minutes=1) < following["scheduled"] < now
    assert {at.hour for at in following.values()} == {2}
