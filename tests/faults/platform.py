"""A platform that takes events in, in processes of its own, and what may go wrong with them.

Belongs here: starting and ending these processes, and DISTURBANCES, each a function that does one harm and says which.
What must be true in the end: history.py.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from jobs.host import kafka_process
from jobs.host.ports import free_port
from jobs.settings import REPOSITORY, Settings
from tests.end_to_end.days import Clock
from tests.faults.dies import ENDPOINT, POINTS
from tests.faults.history import Client

JOBS = ("events.ingest", "events.watches")
# For what takes seconds on a machine that does nothing else.
PATIENCE_S = 300


class Platform:
    """The endpoint, a watcher that runs JOBS, and a broker where events come by a topic."""

    def __init__(self, place: Path, client: Client, chance: random.Random, *, by_topic: bool) -> None:
        self.client, self.chance, self.port = client, chance, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.clock = Clock(place)
        self._kafka, self._broker_port = place / "kafka", free_port()
        self.settings = Settings(home=place / "home")
        if by_topic:
            topic = Path(f"kafka://127.0.0.1:{self._broker_port}/events")
            self.settings = Settings(home=place / "home", events=topic)
        self._log = place / "processes.log"
        self._started: list[subprocess.Popen[bytes]] = []
        self.broker: subprocess.Popen[bytes] | None = None
        if by_topic:
            self._jars = kafka_process.resolve_jars(self.settings)
            self.start_broker()
        self.endpoint = self._serve()
        self.watcher = self._watch()

    def start_broker(self) -> None:
        self.broker = kafka_process.start(self._kafka, self._jars, self._broker_port)

    def start_endpoint(self) -> None:
        self.endpoint = self._serve()

    def start_watcher(self) -> None:
        self.watcher = self._watch()

    def run(self, *words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """The command, in a process group of its own; `before` stands in for its module."""
        environment = os.environ | self.clock.environment
        environment |= {"REELMILL_HOME": str(self.settings.home), "REELMILL_SPARK_MEMORY": "1g"}
        environment |= {"REELMILL_SPARK_MASTER": "local[2]", "PYTHONPATH": str(REPOSITORY)}
        if self.settings.topic is not None:
            environment["REELMILL_EVENTS"] = str(self.settings.events)
        command = [sys.executable, "-m", *(before or ("jobs.command.cli",)), *words]
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        self._started.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """All of the group, in one instant."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def calm(self) -> None:
        """Let all that waits arrive, and end everything in order."""
        until = time.monotonic() + PATIENCE_S
        while not self.client.is_done:
            assert time.monotonic() < until, "the endpoint does not take what waits"
            if not self.client.send(self.url):
                time.sleep(0.2)
        for process in (self.watcher, self.endpoint):
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired as stuck:
                raise AssertionError(f"a process does not end when it is told to; see {self._log}") from stuck

    def go_on(self) -> None:
        self.start_endpoint()
        self.start_watcher()

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                self.kill(process)
        if self.broker is not None:
            self.broker.kill()
            self.broker.wait()

    def _serve(self) -> subprocess.Popen[bytes]:
        process = self.run("serve", "--port", str(self.port))
        until = time.monotonic() + 90
        while True:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/livez", timeout=1).is_success:
                    return process
            assert process.poll() is None and time.monotonic() < until, f"no endpoint; see {self._log}"
            time.sleep(0.2)

    def _watch(self) -> subprocess.Popen[bytes]:
        return self.run("watch", *JOBS, "--every", "1")


def kill_endpoint(platform: Platform) -> str:
    platform.kill(platform.endpoint)
    platform.start_endpoint()
    return "the endpoint is killed"


def kill_endpoint_at_a_point(platform: Platform) -> str:
    point = platform.chance.choice(sorted(ENDPOINT))
    platform.kill(platform.endpoint)
    # It may die of the first batch, before anybody has asked whether it is there.
    platform.endpoint = platform.run("serve", "--port", str(platform.port), before=("tests.faults.dies", point))
    with suppress(subprocess.TimeoutExpired):
        platform.endpoint.wait(20)
    platform.kill(platform.endpoint)
    platform.start_endpoint()
    return f"the endpoint dies when {point}"


def kill_jobs(platform: Platform) -> str:
    if platform.chance.random() < 0.5:
        platform.kill(platform.watcher)
        said = "the jobs are killed"
    else:
        platform.watcher.kill()
        platform.watcher.wait()
        said = "the jobs are killed, and their Spark finds its pipe closed"
    platform.start_watcher()
    return said


def kill_jobs_at_a_point(platform: Platform) -> str:
    point = platform.chance.choice(sorted(POINTS))
    platform.kill(platform.watcher)
    for job in JOBS:
        running = platform.run("run", job, before=("tests.faults.dies", point))
        try:
            running.wait(PATIENCE_S)
        finally:
            platform.kill(running)
    platform.start_watcher()
    return f"jobs die when {point}"


def stop_endpoint(platform: Platform) -> str:
    return _stopped("the endpoint is", platform.endpoint, platform.chance.uniform(0.5, 4))


def stop_jobs(platform: Platform) -> str:
    return _stopped("the jobs are", platform.watcher, platform.chance.uniform(0.5, 6))


def move_clock(platform: Platform) -> str:
    hours = platform.chance.choice((-1, 1))
    platform.clock.move(datetime.now(UTC) + timedelta(hours=hours))
    return f"the clock is moved by {hours} h"


def two_at_once(platform: Platform) -> str:
    both = [platform.run("run", "events.ingest") for _ in range(2)]
    for one in both:
        one.wait(PATIENCE_S)
    return f"two ingests at once beside the jobs, which end with {[one.returncode for one in both]}"


def tear_a_file(platform: Platform) -> str:
    """What a machine leaves that lost power: a file of a dead endpoint, cut in a line; and a line cut in the middle."""
    spool = platform.settings.spool
    spool.mkdir(parents=True, exist_ok=True)
    whole = [f"{line}\n" for line in platform.client.again(1)]
    torn = f'{{"event_id": "torn{time.time_ns()}", "user_i'
    platform.client.history.torn.add(torn)
    (spool / f".{time.time_ns()}-999999.jsonl").write_text("".join(whole) + '{"event_id": "half')
    hidden = spool / f".torn-{time.time_ns()}.tmp"
    hidden.write_text("".join([*whole, torn, "\n", *whole]))
    hidden.rename(spool / f"torn-{time.time_ns()}.jsonl")
    return "files of the spool are torn"


def lose_checkpoint(platform: Platform) -> str:
    platform.kill(platform.watcher)
    there = sorted(platform.settings.checkpoints.glob("*"))
    lost = platform.chance.choice(there) if there else None
    if lost:
        shutil.rmtree(lost)
    platform.start_watcher()
    return f"the checkpoint {lost and lost.name} is lost"


def kill_broker(platform: Platform) -> str:
    assert platform.broker is not None
    platform.broker.kill()
    platform.broker.wait()
    time.sleep(platform.chance.uniform(0, 4))
    platform.start_broker()
    return "the broker is killed, and comes back"


DISTURBANCES: tuple[Callable[[Platform], str], ...] = (
    kill_endpoint,
    kill_endpoint_at_a_point,
    kill_jobs,
    kill_jobs_at_a_point,
    stop_endpoint,
    stop_jobs,
    move_clock,
    two_at_once,
    tear_a_file,
    lose_checkpoint,
)
OF_A_TOPIC = (kill_broker,)


def _stopped(who: str, process: subprocess.Popen[bytes], seconds: float) -> str:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGCONT)
    return f"{who} stopped for {seconds:.1f} s"
