"""Airflow DAG: every night at two UTC, the whole path for the day before, from what has arrived to everybody's feed.

The same as `reelmill pipeline nightly --date D` with D the run's logical date: it repeats the five-minute and the day
jobs before training and building feeds. That costs little, since nothing new means nothing to do; it takes in events
that came late; and it makes this DAG complete by itself: trigger it on a fresh lake, for any day, and a feed comes out.
(Had it waited for the daily DAG's Assets instead, its runs would have no logical date, and so no day to work for.)

**Red?** Until the last task is green the feeds of the night before stay in service. Repair, then clear the failed task:
it and all that follow run again for the same day.

Belongs here: when the nightly pipeline runs. Its jobs: jobs/engine/cadence.py. How a pipeline becomes a DAG: wiring.py.
"""

from datetime import timedelta

from dags.wiring import pipeline_dag

dag = pipeline_dag("nightly", cron="0 2 * * *", covers=timedelta(days=1), doc=__doc__)
