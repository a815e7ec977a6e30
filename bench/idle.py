"""What an Airflow with the real DAGs costs while nothing arrives: processor seconds an hour, beyond Airflow's own.

    python bench/idle.py [--minutes 15]

A small world's events are taken in, so that the tables are there and nothing is new. Then a real Airflow
(`airflow standalone`, as `make airflow` starts it) runs twice as long as asked for: first with all DAGs paused, which
is Airflow's own, then with all of them on their schedules, so that `reelmill_ingest` runs every five minutes. Measured
is the time of the processor that all processes of its session used, tasks that came and went included. It prints both
and the difference an hour, and how the tasks of those runs ended. It asserts nothing.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import httpx

from jobs.command.orchestrators import ADMIN, Orchestrator, airflow, password
from jobs.command.progress import run_pipeline
from jobs.engine.cadence import PIPELINES
from jobs.settings import Settings
from jobs.sim.simulate import simulate

TICKS = os.sysconf("SC_CLK_TCK")
# A process that lives shorter, and whose parent does not wait for it, may be missed.
LOOK_EVERY_S = 0.5
# After Airflow is ready it still fills its tables and parses its DAGs.
SETTLED_S = 90.0


@dataclass(frozen=True)
class Used:
    """What a process and the children that it waited for have used so far, and who its parent is."""

    seconds: float
    parent: int


def processes(session: int) -> dict[int, Used]:
    """The processes of a session."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # After the command's name: state, parent, group, session, ...; times of its own and of children waited for.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session:
            found[int(entry.name)] = Used(sum(map(int, fields[11:15])) / TICKS, int(fields[1]))
    return found


def spent(session: int, seconds: float) -> float:
    """Processor seconds of the session in so many seconds from now.

    The time of a process that ends goes to its parent, which waits for it; of one that has none here any more, the last
    that was seen counts.
    """
    began = now = processes(session)
    lost = 0.0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(LOOK_EVERY_S)
        before, now = now, processes(session)
        lost += sum(before[pid].seconds for pid in before.keys() - now.keys() if before[pid].parent not in before)
    return sum(process.seconds for process in now.values()) + lost - sum(process.seconds for process in began.values())


@contextmanager
def signed_in(running: Orchestrator, settings: Settings) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=60) as api:
        login = {"username": ADMIN, "password": password(settings)}
        api.headers["Authorization"] = f"Bearer {api.post('/auth/token', json=login).json()['access_token']}"
        yield api


def states(api: httpx.Client) -> Counter[str]:
    """How the tasks of all runs ended."""
    address = "/api/v2/dags/~/dagRuns/~/taskInstances"
    listed = api.get(address, params={"limit": 1000}).raise_for_status().json()["task_instances"]
    return Counter(f"{task['task_id']}: {task['state']}" for task in listed)


@click.command()
@click.option("--minutes", default=15.0, show_default=True, help="How long to look, at each of both.")
def main(minutes: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        simulate(settings, viewers=20, creators=4, videos=20, days=3, has_clips=False)
        for _ in range(2):
            run_pipeline("ingest", None, settings)
        with airflow(settings) as running:
            time.sleep(SETTLED_S)
            own = spent(running.process.pid, minutes * 60)
            with signed_in(running, settings) as api:
                for name in PIPELINES:
                    api.patch(f"/api/v2/dags/reelmill_{name}", json={"is_paused": False}).raise_for_status()
            scheduled = spent(running.process.pid, minutes * 60)
            with signed_in(running, settings) as api:
                ended = states(api)
    an_hour = 60 / minutes
    print(f"over {minutes:g} minutes each, in processor seconds an hour:")
    print(f"  Airflow with all DAGs paused    {own * an_hour:8.0f}")
    print(f"  with all DAGs on schedule       {scheduled * an_hour:8.0f}")
    print(f"  beyond Airflow's own            {(scheduled - own) * an_hour:8.0f}")
    for task, count in sorted(ended.items()):
        print(f"  {count:3} x {task}")


if __name__ == "__main__":
    main()
