"""Airflow's pools: what may run at once, whichever DAG or backfill it belongs to.

Belongs here: which pool a job's task is in. Making the pools: plugins/reelmill.py. How many tasks run at once in all:
AIRFLOW__CORE__PARALLELISM (jobs/command/orchestrators.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from jobs.engine.job import Job

# An encoder uses all cores of a small machine; a person with a larger one gives the pool more in Airflow's UI.
SLOTS = 1


def pool_of(job: Job) -> str:
    """Media jobs share a pool, since each uses whole cores; every other job has its own.

    A table has one job that writes it, so its writers take turns in the queue. Without the pool they would wait for the
    lock of the job (jobs/host/locks.py), each with a process and a place that others could have.
    """
    room = job.name.partition(".")[0]
    return room if room == "media" else job.name


def pools(jobs: Iterable[Job]) -> list[str]:
    """The pools of all jobs."""
    return sorted({pool_of(job) for job in jobs})
