"""A real Airflow runs the nightly DAG on a small lake, and a new feed is in Redis."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from jobs.arrivals.handover import hand_over, json_line
from jobs.command.orchestrators import ADMIN, Orchestrator, airflow, password
from jobs.engine.query import query
from jobs.host.redis_server import redis_url
from jobs.pipeline import jobs_of
from jobs.settings import Settings
from serving.feed_store.writer import FeedStore

DAG = "reelmill_nightly"
FIRST_DAY = date(2026, 1, 5)
DAYS, VIEWERS, VIDEOS = 6, 16, 40
PATIENCE_S = 1080.0
UNCOMPILED = "-Dspark.sql.codegen.wholeStage=false -Dspark.sql.codegen.factoryMode=NO_CODEGEN"
# What a task ends in; "up_for_retry" is an attempt that failed, and waiting a minute would show the same again.
BAD = {"failed", "upstream_failed", "up_for_retry"}


@pytest.mark.jvm
@pytest.mark.timeout(1200)
def test_the_nightly_dag_takes_uploads_and_watches_to_a_new_feed_in_redis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REELMILL_SPARK_MASTER", "local[2]")
    monkeypatch.setenv("REELMILL_SPARK_MEMORY", "1g")
    # Each task is a JVM that lives for seconds: compiling its queries would cost more than it gives.
    monkeypatch.setenv("JDK_JAVA_OPTIONS", f"{os.environ['JDK_JAVA_OPTIONS']} {UNCOMPILED}")
    settings = Settings()
    day = small_world(settings)
    with redis_url(settings) as redis, FeedStore(redis) as feeds:
        with airflow(settings) as running:
            states = run_dag(running, day, settings)
        published = feeds.current_version()
    assert states == {job.name: "success" for job in jobs_of("nightly")}
    assert query("SELECT DISTINCT feed_version FROM gold.feeds", settings)[1] == [(published,)]
    assert processes_of(settings) == []


def run_dag(running: Orchestrator, day: date, settings: Settings) -> dict[str, str]:
    """Trigger the DAG over REST for `day` and wait; the end state of each task. Fails with the log of a red task."""
    with httpx.Client(base_url=running.url, timeout=30) as api:
        login = {"username": ADMIN, "password": password(settings)}
        api.headers["Authorization"] = f"Bearer {api.post('/auth/token', json=login).json()['access_token']}"
        deadline = time.monotonic() + PATIENCE_S
        while api.get(f"/api/v2/dags/{DAG}").status_code == httpx.codes.NOT_FOUND:
            assert time.monotonic() < deadline, f"Airflow never found the DAG; see {running.log}"
            time.sleep(0.5)
        api.patch(f"/api/v2/dags/{DAG}", json={"is_paused": False}).raise_for_status()
        request = {"logical_date": f"{day}T00:00:00Z"}
        run = api.post(f"/api/v2/dags/{DAG}/dagRuns", json=request).raise_for_status().json()
        address = f"/api/v2/dags/{DAG}/dagRuns/{quote(run['dag_run_id'])}"
        states: dict[str, str] = {}
        while api.get(address).raise_for_status().json()["state"] not in ("success", "failed"):
            assert time.monotonic() < deadline, f"still running after {PATIENCE_S:.0f} s: {states}"
            states = follow(api, address, states)
            time.sleep(1)
        return follow(api, address, states)


def follow(api: httpx.Client, address: str, before: dict[str, str]) -> dict[str, str]:
    """The state of each task now; prints what has changed and fails on a task that failed."""
    tasks = api.get(f"{address}/taskInstances").raise_for_status().json()["task_instances"]
    states = {task["task_id"]: str(task["state"]) for task in tasks}
    for task in tasks:
        name, state = task["task_id"], states[task["task_id"]]
        if before.get(name) != state:
            print(f"{datetime.now(UTC):%H:%M:%S} {name}: {state} {task['duration'] or ''}")
        if state in BAD:
            log = log_tail(api, f"{address}/taskInstances/{name}", task["try_number"])
            pytest.fail(f"{name} is {state}. The end of its log:\n{log}")
    return states


def log_tail(api: httpx.Client, address: str, attempt: int) -> str:
    answer = api.get(f"{address}/logs/{attempt}", headers={"Accept": "application/json"}).json()
    return "\n".join(str(line.get("event")) for line in answer["content"][-60:])


def small_world(settings: Settings) -> date:
    """A catalogue without media and a few days of events: half the viewers watch even videos to their end, half odd.

    Returns the last day with events.
    """
    start = datetime.combine(FIRST_DAY, datetime.min.time(), UTC)
    hand_over(
        settings.landing / "manifests" / "catalogue.jsonl",
        [
            json_line(
                {
                    "upload_id": f"video-{v:02d}",
                    "user_id": f"creator-{v % 3}",
                    "title": f"Clip {v}",
                    "hashtags": ["even" if v % 2 == 0 else "odd"],
                    "source": "api",
                    "duration_ms": 10_000,
                    "uploaded_at": (start - timedelta(hours=v)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            )
            for v in range(VIDEOS)
        ],
    )
    hand_over(settings.events / "events.jsonl", [json_line(e) for d in range(DAYS) for e in events_of_day(d, start)])
    return FIRST_DAY + timedelta(days=DAYS - 1)


def events_of_day(day: int, start: datetime) -> list[dict[str, object]]:
    events: list[dict[str, object]] = []
    for viewer in range(VIEWERS):
        for position in range(4):
            # New to the viewer every time, so that there is something left to propose.
            video = (5 * viewer + 4 * day + position) % VIDEOS
            liked = video % 2 == viewer % 2
            at = start + timedelta(days=day, hours=8, minutes=10 * viewer, seconds=20 * position)
            for kind, later in (("impression", 0), ("view", 12), *([("like", 13)] if liked else [])):
                when = (at + timedelta(seconds=later)).strftime("%Y-%m-%dT%H:%M:%SZ")
                events.append(
                    {
                        "event_id": f"{day}-{viewer}-{position}-{kind}",
                        "user_id": f"viewer-{viewer:02d}",
                        "video_id": f"video-{video:02d}",
                        "event_type": kind,
                        "event_at": when,
                        "session_id": f"{day}-{viewer}",
                        "position": position,
                        "received_at": when,
                        **({"watch_ms": 9_800 if liked else 900} if kind == "view" else {}),
                    }
                )
    return events


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
