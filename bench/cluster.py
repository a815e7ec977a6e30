"""The same night with one core, with two, and on a Spark cluster of two workers with one core each.

    python bench/cluster.py [--viewers 300] [--videos 240] [--days 14]

A simulated world (jobs/sim) is made once, and each arm runs `reelmill pipeline nightly` on a copy of it, as a command
of its own. The cluster is Spark's own, of pip's package: a master and two workers as processes of this machine, whose
executors get from outside what any worker would (docs/scaling.md). Printed: the seconds of the whole command and of
each job, and the ratio to local[1]. It asserts nothing; tests/bench/test_cluster.py compares what comes out.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import pyspark
from rich.console import Console
from rich.table import Table

from jobs.engine.query import query
from jobs.host import java
from jobs.host.ports import free_port
from jobs.settings import Settings
from jobs.sim.simulate import simulate

SPARK = Path(pyspark.__file__).parent
START_S = 90.0
# What belongs to a driver. A worker of another machine would not have it either.
NOT_A_WORKERS = ("REELMILL_", "PYTHONPATH", "PYSPARK_")


class NoCluster(Exception):
    """The master or a worker did not start."""


@dataclass(frozen=True)
class Cluster:
    """A master and workers that run; each is a process, and the head of a group with its executors.

    `environment` is what makes a command or an Airflow use it.
    """

    environment: dict[str, str]
    status: str
    workers: list[subprocess.Popen[bytes]]

    def alive(self) -> int:
        """How many workers the master knows."""
        try:
            with urllib.request.urlopen(self.status, timeout=5) as answer:
                return int(json.load(answer)["aliveworkers"])
        except (urllib.error.URLError, ConnectionError):
            return 0

    def kill(self, worker: int) -> None:
        """kill -9 a worker with its executors."""
        _end(self.workers[worker], signal.SIGKILL)


@contextmanager
def standalone(place: Path, *, workers: int, cores: int, memory: str, of_a_job: int) -> Iterator[Cluster]:
    """A Spark standalone cluster on the loopback interface, for as long as the context is open. Raises NoCluster.

    Each job gets `of_a_job` of its cores, as who runs a cluster says it in spark-defaults.conf.
    """
    port, pages = free_port(), free_port()
    found = java.find()
    if found is None:
        raise java.JavaMissing
    place.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(NOT_A_WORKERS)}
    environment |= {"SPARK_HOME": str(SPARK), "JAVA_HOME": str(found.home), "SPARK_LOCAL_IP": "127.0.0.1"}
    environment |= {"SPARK_LOCAL_DIRS": str(place), "TMPDIR": str(place), "SPARK_DAEMON_MEMORY": "512m"}
    conf = place / "conf" / "spark-defaults.conf"
    conf.parent.mkdir(exist_ok=True)
    conf.write_text(f"spark.cores.max {of_a_job}\nspark.sql.shuffle.partitions {2 * of_a_job}\n")
    processes: list[subprocess.Popen[bytes]] = []

    def start(kind: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [str(SPARK / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind.lower()}.{kind}", *arguments]
        with (place / f"{kind.lower()}-{len(processes)}.log").open("wb") as log:
            processes.append(
                subprocess.Popen(
                    command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
                )
            )
        return processes[-1]

    master = f"spark://127.0.0.1:{port}"
    try:
        start("Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(pages))
        of_worker = (
            "--host",
            "127.0.0.1",
            "--cores",
            str(cores),
            "--memory",
            memory,
            "--work-dir",
            str(place / "work"),
        )
        started = [start("Worker", *of_worker, "--webui-port", str(free_port()), master) for _ in range(workers)]
        of_driver = {"SPARK_CONF_DIR": str(conf.parent), "SPARK_LOCAL_IP": "127.0.0.1"}
        of_driver |= {"REELMILL_SPARK_MASTER": master, "REELMILL_SPARK_MEMORY": memory}
        cluster = Cluster(of_driver, f"http://127.0.0.1:{pages}/json/", started)
        deadline = time.monotonic() + START_S
        while cluster.alive() < workers:
            if time.monotonic() > deadline or any(process.poll() is not None for process in processes):
                raise NoCluster(f"Of {workers} workers {cluster.alive()} came up; their logs are in {place}.")
            time.sleep(0.2)
        yield cluster
    finally:
        for process in reversed(processes):
            _end(process, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    for signalled in (how, signal.SIGKILL):
        try:
            os.killpg(process.pid, signalled)
            process.wait(10)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def night(home: Path, environment: dict[str, str]) -> float:
    """Run the nightly pipeline on a home; the seconds that it took."""
    environment = {**os.environ, **environment, "REELMILL_HOME": str(home)}
    started = time.monotonic()
    command = [sys.executable, "-m", "jobs.command.cli", "--debug", "pipeline", "nightly"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def seconds_of_jobs(home: Path) -> dict[str, float]:
    """The seconds that each job took, in the order in which they ran."""
    return dict(query("SELECT job, seconds FROM ops.job_runs ORDER BY started_at", Settings(home=home))[1])


@click.command()
@click.option("--viewers", default=300, show_default=True)
@click.option("--videos", default=240, show_default=True)
@click.option("--days", default=14, show_default=True)
@click.option("--memory", default="2g", show_default=True, help="Heap of the driver, and of each executor.")
def main(viewers: int, videos: int, days: int, memory: str) -> None:
    console = Console()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        simulate(Settings(home=place / "world"), viewers=viewers, creators=30, videos=videos, days=days)
        whole: dict[str, float] = {}
        jobs: dict[str, dict[str, float]] = {}

        def measure(name: str, environment: dict[str, str]) -> None:
            home = Path(shutil.copytree(place / "world", place / f"home-{len(whole)}"))
            whole[name] = night(home, environment)
            jobs[name] = seconds_of_jobs(home)
            console.print(f"{name}: {whole[name]:.0f} s")

        for master in ("local[1]", "local[2]"):
            measure(master, {"REELMILL_SPARK_MASTER": master, "REELMILL_SPARK_MEMORY": memory})
        with standalone(place / "cluster", workers=2, cores=1, memory=memory, of_a_job=2) as cluster:
            measure("2 workers", cluster.environment)
    table = Table(title=f"One night of {viewers} viewers and {videos} clips over {days} days, in seconds (ratio)")
    table.add_column("")
    for name in whole:
        table.add_column(name, justify="right")

    def ratio(row: dict[str, float]) -> list[str]:
        return [f"{row[name]:.1f} ({row[name] / row['local[1]']:.2f})" for name in whole]

    for job in jobs["local[1]"]:
        table.add_row(job, *ratio({name: jobs[name][job] for name in whole}))
    table.add_row("the whole command", *ratio(whole))
    console.print(table)


if __name__ == "__main__":
    main()
