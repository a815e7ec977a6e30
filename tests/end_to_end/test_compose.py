"""The containers of docker-compose.yml, brought up from nothing and used as people use them; none is left behind.

`make compose-test` runs it on a machine with Docker: it builds the images, takes long, and prints a table of its steps.
KEEP=yes leaves the containers for a look. What the compose file promises of each container is a policy of the suite's
(tests/policies/test_containers.py); what else there is to try, and was not yet: docs/containers.md.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import imageio_ffmpeg
import pytest

from jobs.command.orchestrators import ADMIN
from jobs.host.ports import free_port
from jobs.settings import REPOSITORY
from tests.conftest import NEWEST_DAY, UNCOMPILED, follow

pytestmark = pytest.mark.compose

PROJECT = "reelmill-test"
# It ends with NEWEST_DAY.
WORLD = ("--viewers", "60", "--creators", "8", "--videos", "40", "--days", "6", "--no-clips")
VIEWER = "viewer-0000"
EVENTS = 5
# What runs Spark on the small world, and so does better without the optimising compiler (tests/conftest.py).
JVMS = ("airflow-scheduler", "media", "spark-master", "spark-worker-1", "spark-worker-2")


def docker(*arguments: str) -> str:
    """What a command of Docker prints."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


class Stack:
    """The containers of this test, and what they answer."""

    def __init__(self, place: Path) -> None:
        subprocess.run(["make", "-s", "secrets", f"ENV={place / 'env'}"], cwd=REPOSITORY, check=True)
        self.secrets = dict(line.split("=", 1) for line in (place / "env").read_text().splitlines())
        ports = {name: free_port() for name in ("EDGE", "AIRFLOW")}
        self.url = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        self._environment = {
            **os.environ,
            **{f"{name}_ADDRESS": f"127.0.0.1:{port}" for name, port in ports.items()},
        }
        options = {"environment": {"JDK_JAVA_OPTIONS": f"{os.environ['JDK_JAVA_OPTIONS']} {UNCOMPILED}"}}
        (place / "small.yml").write_text(json.dumps({"services": dict.fromkeys(JVMS, options)}))
        program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        files = ["-f", "docker-compose.yml", "-f", str(place / "small.yml"), "--env-file", str(place / "env")]
        self._compose = [*program, "-p", PROJECT, *files, "--profile", "core"]

    def compose(self, *arguments: str, given: bytes = b"") -> str:
        """Run a command of Compose; returns what it printed."""
        done = subprocess.run(
            [*self._compose, *arguments], cwd=REPOSITORY, env=self._environment, input=given, capture_output=True
        )
        assert done.returncode == 0, f"{arguments}: {(done.stdout + done.stderr).decode()[-4000:]}"
        return done.stdout.decode()

    def within(self, service: str, *command: str, given: bytes = b"") -> str:
        """Run a program in a service's container."""
        return self.compose("exec", "-T", service, *command, given=given)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Every container of the project by its service, as Docker describes it."""
        ids = docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}").split()
        described: list[dict[str, Any]] = json.loads(docker("inspect", *ids)) if ids else []
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in described}

    def left(self) -> list[str]:
        """What Docker still has of the project: containers, volumes, networks."""
        label = ("--filter", f"label=com.docker.compose.project={PROJECT}", "-q")
        kinds = (("ps", "-a"), ("volume", "ls"), ("network", "ls"))
        return [name for kind in kinds for name in docker(*kind, *label).split()]

    def kill(self, service: str) -> None:
        """kill -9 all that runs in a service's container, and wait until Docker has started it again."""
        before = self.containers()[service]["State"]["StartedAt"]
        # The container may end before the command in it has answered.
        command = [*self._compose, "exec", "-T", service, "sh", "-c", "kill -9 -1"]
        subprocess.run(command, cwd=REPOSITORY, env=self._environment, capture_output=True)
        wait(lambda: self.containers()[service]["State"]["StartedAt"] != before, 60, self.unhealthy)

    def unhealthy(self) -> dict[str, str]:
        """The services that are not as they should be, and how they are."""
        found = {}
        for service, container in self.containers().items():
            state = container["State"]
            health = state.get("Health", {}).get("Status", "none")
            is_done = state["Status"] == "exited" and state["ExitCode"] == 0
            if health != "healthy" and not is_done:
                found[service] = f"{state['Status']}, {health}"
        return found

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows that `reelmill query` finds in the lake of the containers."""
        rows: list[dict[str, Any]] = json.loads(self.within("media", "reelmill", "query", "--json", sql))
        return rows


def wait(what: Callable[[], bool], seconds: float, why: Callable[[], object]) -> None:
    """Until it is so; what is not ready to be asked may refuse to answer meanwhile."""
    until = time.monotonic() + seconds
    while True:
        try:
            if what():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < until, why()
        time.sleep(1)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Nothing of an earlier test, and nothing afterwards."""
    made = Stack(tmp_path)
    made.compose("down", "--volumes", "--remove-orphans")
    try:
        yield made
    finally:
        if KEEP := os.environ.get("KEEP"):
            print("kept, as KEEP says:", KEEP, made.url, file=sys.stderr)
        else:
            made.compose("down", "--volumes", "--remove-orphans")
            assert made.left() == []


def clip(place: Path) -> bytes:
    """Three seconds with sound."""
    path = place / "clip.mp4"
    draw = "-f lavfi -i testsrc2=size=360x640:rate=30:duration=3 -f lavfi -i sine=duration=3 -pix_fmt yuv420p -shortest"
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *draw.split(), path], check=True)
    return path.read_bytes()


def test_the_containers_publish_serve_recover_and_keep_what_they_have(stack: Stack, tmp_path: Path) -> None:
    table: list[tuple[str, float, str]] = []

    @contextmanager
    def step(name: str) -> Iterator[list[str]]:
        noted: list[str] = []
        print(f"{datetime.now():%H:%M:%S} {name}", file=sys.stderr, flush=True)
        began = time.monotonic()
        yield noted
        table.append((name, time.monotonic() - began, "; ".join(noted)))

    try:
        use(stack, tmp_path, step)
    finally:
        print(*(f"{seconds:7.1f} s  {name:<58} {noted}" for name, seconds, noted in table), sep="\n")


def use(stack: Stack, tmp_path: Path, step: Callable[[str], Any]) -> None:
    edge = httpx.Client(base_url=stack.url["EDGE"], timeout=30)
    with step("build the images"):
        stack.compose("build", "--quiet")
    with step("bring everything up from nothing, until all are healthy") as noted:
        stack.compose("up", "-d", "--no-build")
        wait(lambda: not stack.unhealthy(), 600, stack.unhealthy)
        noted.append(f"{len(stack.containers())} containers")
    with step("hand over a simulated world without clips"):
        stack.within("airflow-scheduler", "reelmill", "simulate", "world", *WORLD)
    with step("upload a clip; the workers without a network publish it") as noted:
        keep = "cat > /tmp/clip.mp4 && reelmill upload /tmp/clip.mp4 --user ann --title Mine --land-only"
        stack.within("media", "sh", "-c", keep, given=clip(tmp_path))
        mine = "SELECT video_id, status, playback_path FROM silver.videos WHERE title = 'Mine'"

        def published() -> bool:
            tables = json.loads(stack.within("media", "reelmill", "tables", "--json"))
            return "silver.videos" in {table["name"] for table in tables} and bool(stack.query(mine))

        wait(published, 300, lambda: stack.compose("logs", "--tail", "30", "media"))
        (video,) = stack.query(mine)
        assert video["status"] == "published", video
        noted.append(f"video {video['video_id']}")

    def card() -> httpx.Response:
        """What the endpoint says of the video now: the edge keeps an answer by its whole address."""
        return edge.get(f"/v1/videos/{video['video_id']}", params={"now": time.monotonic_ns()})

    with step("play it through the edge, twice") as noted:
        wait(lambda: card().status_code == 200, 60, lambda: card().text)
        path = f"/media/{video['playback_path']}"
        first, second = edge.get(path).raise_for_status(), edge.get(path).raise_for_status()
        assert first.text.startswith("#EXTM3U") and second.text == first.text
        assert second.headers["X-Cache"] == "HIT"
        noted.append(f"X-Cache {first.headers['X-Cache']}, then {second.headers['X-Cache']}")
        assert edge.get("/metrics").status_code == 404
    with step("send events through the edge"):
        view = {"user_id": VIEWER, "video_id": video["video_id"], "event_type": "view", "watch_ms": 2500}
        view["event_at"] = datetime.now(UTC).isoformat()
        receipt = edge.post("/v1/events", json=[{**view, "event_id": f"e-{n}"} for n in range(EVENTS)])
        assert receipt.status_code == 202 and len(receipt.json()["accepted"]) == EVENTS
    with step("kill Redis: the same card comes back"):
        before = card().json()
        stack.kill("redis")
        wait(lambda: card().status_code == 200, 120, stack.unhealthy)
        assert card().json() == before
    with step("remove all containers, bring them up again, and find the data"):
        stack.compose("down")
        stack.compose("up", "-d", "--no-build")
        wait(lambda: not stack.unhealthy(), 600, stack.unhealthy)
        assert stack.query(mine) == [video]
        assert card().json() == before and edge.get(path).text == first.text
    with step("begin the nightly DAG over REST; kill a worker meanwhile") as noted:
        airflow, dag = signed_in(stack), "/api/v2/dags/reelmill_nightly"
        wait(lambda: airflow.get(dag).is_success, 180, lambda: airflow.get("/api/v2/importErrors").text)
        airflow.patch(dag, json={"is_paused": False}).raise_for_status()
        asked = {"logical_date": None, "conf": {"day": str(NEWEST_DAY)}}
        run = airflow.post(f"{dag}/dagRuns", json=asked).raise_for_status().json()
        night, states = f"{dag}/dagRuns/{quote(run['dag_run_id'])}", dict[str, str]()

        def done(task: str) -> bool:
            states.update(follow(airflow, night, states, ()))
            return states.get(task) == "success"

        wait(lambda: not done("events.ingest") and works(stack), 180, lambda: states)
        stack.kill("spark-worker-1")
        wait(lambda: done("events.ingest"), 1200, lambda: states)
        wait(lambda: workers(stack) == 2 and not stack.unhealthy(), 180, stack.unhealthy)
        (events,) = stack.query("SELECT count(*) AS n FROM bronze.events WHERE event_id LIKE 'e-%'")
        assert events["n"] == EVENTS
        noted.append(f"{list(states.values()).count('success')} of {len(states)} tasks, then 2 workers")


def signed_in(stack: Stack) -> httpx.Client:
    """A client of Airflow's API, as its admin."""
    api = httpx.Client(base_url=stack.url["AIRFLOW"], timeout=60)
    login = {"username": ADMIN, "password": stack.secrets["AIRFLOW_ADMIN_PASSWORD"]}
    token = api.post("/auth/token", json=login).raise_for_status().json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"
    return api


def cluster(stack: Stack) -> dict[str, Any]:
    """What the master says of its workers and applications."""
    ask = "import urllib.request as u; print(u.urlopen('http://spark-master:8080/json/').read().decode())"
    said: dict[str, Any] = json.loads(stack.within("spark-master", "python", "-c", ask))
    return said


def workers(stack: Stack) -> int:
    """How many are alive."""
    return [worker["state"] for worker in cluster(stack)["workers"]].count("ALIVE")


def works(stack: Stack) -> bool:
    """Whether the workers run an application."""
    return any(application["state"] == "RUNNING" for application in cluster(stack)["activeapps"])
