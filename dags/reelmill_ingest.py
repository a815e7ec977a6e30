"""Airflow DAG: every five minutes, what has arrived becomes tables.

New uploads are probed, transcoded and published; new events are taken in, each once, and derived into watches.

**Late or red?** Open the task's log: its last lines name what was missing and what to do. Clear the task to run it
again. An input that a failed run did not commit is still there, so the next run takes it: nothing needs a backfill.

Belongs here: when the ingest pipeline runs. Its jobs: jobs/engine/cadence.py. How a pipeline becomes a DAG: wiring.py.
"""

from datetime import timedelta

from dags.wiring import pipeline_dag

dag = pipeline_dag("ingest", cron="*/5 * * * *", covers=timedelta(minutes=5), doc=__doc__)
