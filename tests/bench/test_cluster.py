"""A Spark cluster makes the same tables as one machine, also when a worker is killed in the middle of a night.

`make cluster-test` runs it: three nights take many minutes. It prints a table of what it did.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from jobs.command.orchestrators import airflow
from jobs.engine.runs import newest
from jobs.pipeline import jobs_of
from jobs.settings import REPOSITORY, Settings
from tests.airflow import run_dag, signed_in
from tests.conftest import NEWEST_DAY

pytestmark = pytest.mark.cluster

MEMORY = "1g"
Standalone = Callable[..., AbstractContextManager[Any]]
Report = Callable[[str, float], None]


@pytest.fixture(scope="module")
def standalone() -> Standalone:
    """Starts a cluster (bench/cluster.py)."""
    spec = importlib.util.spec_from_file_location("cluster", REPOSITORY / "bench" / "cluster.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass asks for it
    spec.loader.exec_module(module)
    started: Standalone = module.standalone
    return started


@pytest.fixture(scope="module")
def report() -> Iterator[Report]:
    """Takes down what was done and how many seconds it took; printed at the end."""
    done: list[tuple[str, float]] = []
    yield lambda what, seconds: done.append((what, seconds))
    table = Table("what was done", "seconds", title="Reelmill on a Spark cluster")
    for what, seconds in done:
        table.add_row(what, f"{seconds:.0f}")
    Console(width=120).print("\n", table)


@pytest.fixture(scope="module")
def on_one_machine(
    fresh_world: Callable[[str], Path],
    reelmill: Callable[..., str],
    content: Callable[[Path], dict[str, str]],
    report: Report,
) -> dict[str, str]:
    """What the tables of a night say that no cluster has seen."""
    home, clock = fresh_world("alone"), time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REELMILL_SPARK_MASTER", "local[2]")
        reelmill(home, "pipeline", "nightly")
    report("a night by `reelmill pipeline` on local[2]", time.monotonic() - clock)
    return content(home)


def test_a_night_that_loses_a_worker_in_the_middle_ends_in_the_same_tables(
    standalone: Standalone,
    fresh_world: Callable[[str], Path],
    start: Callable[..., subprocess.Popen[str]],
    content: Callable[[Path], dict[str, str]],
    on_one_machine: dict[str, str],
    report: Report,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, jobs = fresh_world("killed-worker"), [job.name for job in jobs_of("nightly")]
    clock = time.monotonic()
    with standalone(tmp_path / "cluster", workers=2, cores=1, memory="2g", of_a_job=2) as cluster:
        report("a master and two workers of one core start", time.monotonic() - clock)
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        clock = time.monotonic()
        with start(home, "pipeline", "nightly") as pipeline:
            while len(done := newest(Settings(home=home))) < len(jobs) // 2:
                assert pipeline.poll() is None, pipeline.communicate()[0]
                time.sleep(0.3)
            time.sleep(1)
            cluster.kill(0)
            report(f"a worker and its executor are killed, in {jobs[len(done)]}", time.monotonic() - clock)
            said = pipeline.communicate()[0]
        assert pipeline.returncode == 0, said
        assert cluster.alive() == 1
    report("that night by `reelmill pipeline`, ended by the other worker", time.monotonic() - clock)
    assert "Lost executor" in (home / "logs" / "spark.log").read_text()
    assert content(home) == on_one_machine


def test_a_night_that_airflow_submits_to_the_cluster_ends_in_the_same_tables(
    standalone: Standalone,
    fresh_world: Callable[[str], Path],
    content: Callable[[Path], dict[str, str]],
    on_one_machine: dict[str, str],
    report: Report,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = fresh_world("submitted")
    # Two tasks at a time, each with the core of one worker: whoever takes all waits for locks that the other holds.
    with standalone(tmp_path / "cluster", workers=2, cores=1, memory="2g", of_a_job=1) as cluster:
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        settings, clock = Settings(home=home), time.monotonic()
        with airflow(settings) as running, signed_in(running, settings) as api:
            report("Airflow starts", time.monotonic() - clock)
            clock = time.monotonic()
            asked = {"logical_date": f"{NEWEST_DAY}T00:00:00Z"}
            _, states = run_dag(api, running, "reelmill_nightly", asked, patience_s=3600)
            report("a night of the DAG, each task one spark-submit", time.monotonic() - clock)
    assert set(states.values()) == {"success"}
    assert content(home) == on_one_machine


SHARES = """
import sys, time
from jobs.engine.spark import session, with_cores
from jobs.settings import Settings

def work(number):
    import jobs
    began = time.time()
    time.sleep(1)
    return began, time.time(), jobs.__file__

context = session(Settings()).sparkContext
context.parallelize(range(2), 2).count()
for began, ended, code in with_cores(context.parallelize(range(4), 4).map(work), 2).collect():
    print("task", began, ended, code)
"""


def test_a_task_that_asks_for_two_cores_has_both_and_runs_the_code_of_its_driver(
    standalone: Standalone, report: Report, tmp_path: Path
) -> None:
    clock = time.monotonic()
    with standalone(tmp_path / "cluster", workers=1, cores=2, memory="2g", of_a_job=2) as cluster:
        environment = {**os.environ, **cluster.environment, "REELMILL_HOME": str(tmp_path / "home")}
        done = subprocess.run([sys.executable, "-c", SHARES], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tasks = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("task ")]
    spans = sorted((float(began), float(ended)) for began, ended, _ in tasks)
    assert len(spans) == 4 and all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    assert all(Path(code).is_relative_to(tmp_path / "home" / "tmp") for _, _, code in tasks)
    report("tasks that ask for two cores, on a worker that has two", time.monotonic() - clock)
