"""A real Airflow as a test asks it: signing in, running a DAG to its end, a task's log.

Belongs here: what goes through its REST API, and the processes that it leaves.
"""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from jobs.command.orchestrators import ADMIN, Orchestrator, password
from jobs.settings import Settings

AIRFLOW_PATIENCE_S = 1080.0
# What a task ends in; "up_for_retry" is an attempt that failed, and waiting a minute would show the same again.
BAD = {"failed", "upstream_failed", "up_for_retry"}


@contextmanager
def signed_in(running: Orchestrator, settings: Settings) -> Iterator[httpx.Client]:
    """A client of the API of an Airflow that runs."""
    with httpx.Client(base_url=running.url, timeout=30) as api:
        sign_in(api, password(settings))
        yield api


def sign_in(api: httpx.Client, secret: str) -> None:
    """As admin, for a day."""
    login = {"username": ADMIN, "password": secret}
    token = api.post("/auth/token", json=login).raise_for_status().json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"


def run_dag(
    api: httpx.Client,
    running: Orchestrator,
    dag: str,
    request: dict[str, Any],
    may_be: Collection[str] = (),
    patience_s: float = AIRFLOW_PATIENCE_S,
) -> tuple[str, dict[str, str]]:
    """Trigger the DAG over REST and wait; the address of the run and the end state of each task.

    With a `from_date` it is backfilled for that instant, once in the life of that Airflow.
    Fails with the log of a task that ends badly, unless its state is one that it may have.
    """
    deadline = time.monotonic() + patience_s
    while api.get(f"/api/v2/dags/{dag}").status_code == httpx.codes.NOT_FOUND:
        assert time.monotonic() < deadline, f"Airflow never found the DAG; see {running.log}"
        time.sleep(0.5)
    api.patch(f"/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()
    runs = f"/api/v2/dags/{dag}/dagRuns"
    if "from_date" in request:
        asked = {"dag_id": dag, "to_date": request["from_date"], "reprocess_behavior": "none", **request}
        api.post("/api/v2/backfills", json=asked).raise_for_status()
        backfilled = api.get(runs, params={"run_type": "backfill"}).raise_for_status().json()
        (run,) = backfilled["dag_runs"]
    else:
        run = api.post(runs, json={"logical_date": None, **request}).raise_for_status().json()
    address = f"{runs}/{quote(run['dag_run_id'])}"
    states: dict[str, str] = {}
    while api.get(address).raise_for_status().json()["state"] not in ("success", "failed"):
        assert time.monotonic() < deadline, f"still running after {patience_s:.0f} s: {states}"
        states = follow(api, address, states, may_be)
        time.sleep(1)
    # By unpausing, its schedule has begun.
    api.patch(f"/api/v2/dags/{dag}", json={"is_paused": True}).raise_for_status()
    return address, follow(api, address, states, may_be)


def follow(api: httpx.Client, address: str, before: dict[str, str], may_be: Collection[str]) -> dict[str, str]:
    """The state of each task now; prints what has changed and fails on a task that failed and may not."""
    tasks = api.get(f"{address}/taskInstances").raise_for_status().json()["task_instances"]
    states = {task["task_id"]: str(task["state"]) for task in tasks}
    for task in tasks:
        name, state = task["task_id"], states[task["task_id"]]
        if before.get(name) != state:
            print(f"{datetime.now(UTC):%H:%M:%S} {name}: {state} {task['duration'] or ''}")
        if state in BAD and state not in may_be:
            log = "\n".join(log_of(api, f"{address}/taskInstances/{name}", task["try_number"])[-60:])
            pytest.fail(f"{name} is {state}. The end of its log:\n{log}")
    return states


def log_of(api: httpx.Client, address: str, attempt: int) -> list[str]:
    answer = api.get(f"{address}/logs/{attempt}", headers={"Accept": "application/json"}).json()
    return [str(line.get("event")) for line in answer["content"]]


def processes_of(settings: Settings) -> list[str]:
    """The living processes that work for this home."""
    mine = f"REELMILL_HOME={settings.home}".encode()
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and mine in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found
