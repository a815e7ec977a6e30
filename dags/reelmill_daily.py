"""Airflow DAG: soon after midnight UTC, features as of the end of the day before.

The same as `reelmill pipeline daily`: the five-minute jobs first, for the last events of the day. A day job that has
missed days covers them all in one go, so a pause of a week needs one run, not seven.

**Backfill** a range after a correction with *Trigger*, *Backfill* (docs/operations.md). A day computed twice gives the
same rows.

Belongs here: when the daily pipeline runs. Its jobs: jobs/engine/cadence.py. How a pipeline becomes a DAG: wiring.py.
"""

from datetime import timedelta

from dags.wiring import pipeline_dag

dag = pipeline_dag("daily", cron="10 0 * * *", covers=timedelta(days=1), doc=__doc__)
