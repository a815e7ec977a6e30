"""Airflow DAG: every hour, what cannot wait for the night, after everything that has arrived by then.

The same as `reelmill pipeline hourly`: the five-minute jobs first, so that the hour's jobs see the newest events. At
10:02 its hourly jobs work on the hour from nine to ten; a run by hand on the hour that holds its logical date.

Belongs here: when the hourly pipeline runs. Its jobs: jobs/engine/cadence.py. How a pipeline becomes a DAG: wiring.py.
"""

from datetime import timedelta

from dags.wiring import pipeline_dag

dag = pipeline_dag("hourly", cron="2 * * * *", covers=timedelta(hours=1), doc=__doc__)
