"""THE list of jobs, and the order that their tables imply.

Belongs here: which jobs there are and what comes before what; it is importable in well under a second, because every
Airflow DAG file imports it. Which pipelines run them: engine/cadence.py. Running them: engine/runner.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import TopologicalSorter
from importlib import import_module

from jobs.engine.cadence import PIPELINES
from jobs.engine.job import Job
from jobs.errors import LastingError

MODULES = (
    "media.ingest",
    "media.publish",
    "events.ingest",
    "events.watches",
    "events.impressions",
    "features.users",
    "features.videos",
    "features.hashtags",
    "features.creators",
    "features.user_hashtags",
    "features.user_creators",
    "features.hourly_videos",
    "features.hourly_hashtags",
    "features.hourly_sounds",
    "features.trending",
    "features.materialise",
    "features.materialise_hourly",
    "ranking.candidates",
    "ranking.examples",
    "ranking.similar",
    "ranking.train",
    "feeds.build",
    "feeds.audit",
    "feeds.publish",
    "feeds.related",
    "feeds.rewards",
    "feeds.compare",
    "feeds.trending",
    "feeds.visibility",
    "ops.feature_quality",
)


class UnknownJob(LastingError):
    """No job has that name."""


def _declared(module: str) -> Job:
    declared = import_module(f"jobs.{module}").run
    assert isinstance(declared, Job), f"jobs.{module}.run is not declared with @job"
    return declared


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """The jobs, each after those that write what it reads; ties by name, so that the order never changes.

    A table that a job both reads and writes (the model in service) is its own past and orders nothing.
    """
    named = {job.name: job for job in jobs}
    writers = {table: job.name for job in named.values() for table in job.writes}
    graph = TopologicalSorter(
        {name: {writers[t] for t in job.reads if t in writers} - {name} for name, job in sorted(named.items())}
    )
    graph.prepare()
    ordered: list[Job] = []
    while graph.is_active():
        ready = sorted(graph.get_ready())
        ordered += [named[name] for name in ready]
        graph.done(*ready)
    return ordered


JOBS: dict[str, Job] = {job.name: job for job in in_order(map(_declared, MODULES))}
WRITERS: dict[str, Job] = {table: job for job in JOBS.values() for table in job.writes}


def find(name: str) -> Job:
    """The job of that name. Raises UnknownJob with the names there are."""
    if name not in JOBS:
        raise UnknownJob(f"There is no job {name!r}. The jobs are: {', '.join(JOBS)}.")
    return JOBS[name]


def jobs_of(pipeline: str) -> list[Job]:
    """The jobs of a pipeline, in the order in which they run.

    What takes in what has arrived comes before all others, for whom it decides which day is the newest.
    """
    jobs = [job for job in JOBS.values() if job.every in PIPELINES[pipeline]]
    return sorted(jobs, key=lambda job: job.every != "5min")
