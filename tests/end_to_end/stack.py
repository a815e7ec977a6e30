"""The containers of docker-compose.yml under a project of their own: starting, asking and killing them.

Belongs here: what a test does with Docker, and how it reaches what a container says. What is tried with it, in which
order: test_compose.py.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx

from jobs.host.ports import free_port
from jobs.settings import REPOSITORY
from tests.airflow import sign_in
from tests.conftest import UNCOMPILED
from tests.steps import wait

PROJECT = "reelmill-test"
LABEL = f"label=com.docker.compose.project={PROJECT}"
# What Compose publishes, by the name of its variable.
DOORS = ("EDGE", "AIRFLOW", "DAGSTER", "PROMETHEUS")
# What runs Spark on the small world, and so does better without the optimising compiler (tests/conftest.py).
JVMS = ("airflow-scheduler", "media", "spark-master", "spark-worker-1", "spark-worker-2")
# Every asset that Dagster knows, with its newest materialisation.
ASSETS = """{ assetNodes { assetKey { path } assetMaterializations(limit: 1) {
    partition metadataEntries { label ... on TextMetadataEntry { text } } } } }"""


def docker(*arguments: str) -> str:
    """What a command of Docker prints."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


class Stack:
    """The containers of this test, and what they answer."""

    def __init__(self, place: Path) -> None:
        self.has_failed = True  # until it is over
        subprocess.run(["make", "-s", "secrets", f"ENV={place / 'env'}"], cwd=REPOSITORY, check=True)
        self.secrets = dict(line.split("=", 1) for line in (place / "env").read_text().splitlines())
        addresses = {name: f"127.0.0.1:{free_port()}" for name in DOORS}
        self.url = {name: f"http://{address}" for name, address in addresses.items()}
        self._environment = {**os.environ, **{f"{name}_ADDRESS": address for name, address in addresses.items()}}
        self._environment["EVENTS"] = "kafka://reelmill@kafka:9092/events"
        options = {"environment": {"JDK_JAVA_OPTIONS": f"{os.environ['JDK_JAVA_OPTIONS']} {UNCOMPILED}"}}
        (place / "small.yml").write_text(json.dumps({"services": dict.fromkeys(JVMS, options)}))
        program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        files = ["-f", "docker-compose.yml", "-f", str(place / "small.yml"), "--env-file", str(place / "env")]
        self._compose = [*program, "-p", PROJECT, *files, "--profile", "full"]

    def compose(self, *arguments: str, given: bytes = b"") -> str:
        """Run a command of Compose; returns what it printed."""
        done = subprocess.run(
            [*self._compose, *arguments], cwd=REPOSITORY, env=self._environment, input=given, capture_output=True
        )
        assert done.returncode == 0, f"{arguments}: {(done.stdout + done.stderr).decode()[-4000:]}"
        return done.stdout.decode()

    def up(self) -> None:
        """Start all that does not run, and wait until everything is healthy."""
        self.compose("up", "-d", "--no-build")
        wait(lambda: not self.unhealthy(), 900, self.unhealthy)

    def within(self, service: str, *command: str, given: bytes = b"") -> str:
        """Run a program in a service's container."""
        return self.compose("exec", "-T", service, *command, given=given)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Every container of the project by its service, as Docker describes it."""
        ids = docker("ps", "-aq", "--filter", LABEL).split()
        described: list[dict[str, Any]] = json.loads(docker("inspect", *ids)) if ids else []
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in described}

    def left(self) -> list[str]:
        """What Docker still has of the project: containers, volumes, networks."""
        kinds = (("ps", "-a"), ("volume", "ls"), ("network", "ls"))
        return [name for kind in kinds for name in docker(*kind, "--filter", LABEL, "-q").split()]

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

    def airflow(self) -> httpx.Client:
        """A client of Airflow's API, as its admin."""
        api = httpx.Client(base_url=self.url["AIRFLOW"], timeout=60)
        sign_in(api, self.secrets["AIRFLOW_ADMIN_PASSWORD"])
        return api

    def cluster(self) -> dict[str, Any]:
        """What Spark's master says of its workers and applications."""
        ask = "import urllib.request as u; print(u.urlopen('http://spark-master:8080/json/').read().decode())"
        said: dict[str, Any] = json.loads(self.within("spark-master", "python", "-c", ask))
        return said

    def workers(self) -> int:
        """How many are alive."""
        return [worker["state"] for worker in self.cluster()["workers"]].count("ALIVE")

    def at_work(self) -> list[str]:
        """The services that are Spark workers and run a part of a job."""
        hosts = {worker["host"] for worker in self.cluster()["workers"] if worker["coresused"]}
        found = []
        for service, container in self.containers().items():
            networks = container["NetworkSettings"]["Networks"].values()
            if hosts & {container["Config"]["Hostname"], *(network["IPAddress"] for network in networks)}:
                found.append(service)
        return found

    def assets(self) -> dict[str, dict[str, Any] | None]:
        """Dagster's assets by name, each with its newest materialisation: its partition, and metadata that is text."""
        said = httpx.post(f"{self.url['DAGSTER']}/graphql", json={"query": ASSETS}, timeout=60).raise_for_status()
        found: dict[str, dict[str, Any] | None] = {}
        for node in said.json()["data"]["assetNodes"]:
            name = ".".join(node["assetKey"]["path"])
            found[name] = None
            for made in node["assetMaterializations"]:
                entries = {entry["label"]: entry.get("text") for entry in made["metadataEntries"]}
                found[name] = {"partition": made["partition"], **entries}
        return found

    def figure(self, query: str) -> float:
        """What Prometheus says to a query that one number answers; 0 while it has none."""
        address = f"{self.url['PROMETHEUS']}/api/v1/query"
        found = httpx.get(address, params={"query": query}).raise_for_status().json()["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0
