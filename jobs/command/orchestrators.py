"""A real Airflow and a real Dagster on this machine, each hanging off `settings.home`.

Belongs here: their environment, starting them, knowing when they are ready, and leaving no process behind. What they
show: dags/. `make airflow` and `make catalog` run this module.

Airflow's and Dagster's own output is hundreds of lines before the first page is ready, so it goes to a log file in
their home; the terminal gets the address, the login and where that file is.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import pyspark
from rich.console import Console

from jobs.engine.spark import resolve_jars
from jobs.errors import ReelmillError
from jobs.host.files import appearing
from jobs.host.ports import free_port
from jobs.host.redis_server import redis_url
from jobs.host.secret import secret
from jobs.settings import REPOSITORY, Settings

ADMIN = "admin"
_START_S = 180.0  # a new home first builds Airflow's database, which takes half a minute on two cores
_STOP_S = 20.0
_LOG_TAIL = 25


class OrchestratorDown(ReelmillError):
    """Airflow or Dagster did not start, or ended by itself."""


@dataclass(frozen=True)
class Orchestrator:
    """A running one. `pid` is also the id of the session that all its processes, tasks included, belong to."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def wait(self) -> None:
        """Until it ends; it should not. Raises OrchestratorDown."""
        code = self.process.wait()
        raise OrchestratorDown(f"It ended by itself with code {code}. The end of {self.log}:\n{tail(self.log)}")


@contextmanager
def airflow(settings: Settings, port: int | None = None) -> Iterator[Orchestrator]:
    """`airflow standalone` on SQLite with this repository's DAGs, ready to be used, and Redis for as long as it runs.

    Bound to 127.0.0.1; `port` None takes a free one. All DAGs start paused. Raises OrchestratorDown.
    """
    home = settings.home / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    password(settings)
    resolve_jars(settings)  # before a DAG file names them, which has seconds to be imported in
    with redis_url(settings) as redis:
        environment = airflow_environment(settings, port, redis)
        command = [str(_executable("airflow")), "standalone"]
        with _running(command, environment, home / "airflow.log", f"http://127.0.0.1:{port}", _airflow_ready) as up:
            yield up


@contextmanager
def dagster(settings: Settings, port: int | None = None) -> Iterator[Orchestrator]:
    """`dagster dev` on the asset graph of dags/catalog.py, and Redis for as long as it runs. Raises OrchestratorDown.

    Dagster has no login, so it is bound to 127.0.0.1.
    """
    home = settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(DAGSTER_YAML)
    port = port or free_port()
    with redis_url(settings) as redis:
        environment = {**_environment(settings, redis), "DAGSTER_HOME": str(home)}
        command = [str(_executable("dagster")), "dev", "-m", "dags.catalog", "-h", "127.0.0.1", "-p", str(port)]
        with _running(command, environment, home / "dagster.log", f"http://127.0.0.1:{port}", _dagster_ready) as up:
            yield up


DAGSTER_YAML = """\
# Written by jobs/command/orchestrators.py at each start.
telemetry:
  enabled: false
code_servers:
  local_startup_timeout: 600  # on a busy machine, three minutes, the default, were too short to import everything
concurrency:
  runs:
    max_concurrent_runs: 1  # a run is a Spark session on all cores
"""


def airflow_environment(settings: Settings, port: int, redis: str) -> dict[str, str]:
    """What makes an Airflow process, the `airflow` command included, one of this home's."""
    home = settings.home / "airflow"
    url = f"http://127.0.0.1:{port}"
    options: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": REPOSITORY / "dags",
            "plugins_folder": REPOSITORY / "dags" / "plugins",
            "load_examples": False,
            "executor": "LocalExecutor",
            # Two Spark drivers keep two cores busy: while one starts its JVM, the other computes.
            "parallelism": max(2, (os.cpu_count() or 2) // 4),
            "execution_api_server_url": f"{url}/execution/",
            "simple_auth_manager_users": f"{ADMIN}:admin",
            "simple_auth_manager_passwords_file": _password_file(settings),
        },
        # Wrapped, or the end of the sentence with which a task's log ends lies beyond the window.
        "api": {"host": "127.0.0.1", "port": port, "base_url": url, "workers": 1, "default_wrap": True},
        # The same in every process and after every restart, and long enough for the SHA-512 that signs with it.
        "api_auth": {"jwt_secret": hashlib.sha512(f"airflow {secret(settings)}".encode()).hexdigest()},
        # Fixed ports by default, which the Airflow of another home may hold.
        "logging": {"worker_log_server_port": free_port(), "trigger_log_server_port": free_port()},
        # After five seconds, the default, a busy machine would have lost tasks that had not begun yet.
        "workers": {"execution_api_timeout": 60},
        # Every parse imports the jobs; the default of twice a minute would take a tenth of a small machine.
        "dag_processor": {"min_file_process_interval": 300},
    }
    variables = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": str(value)
        for section, entries in options.items()
        for key, value in entries.items()
    }
    connection = json.dumps({"conn_type": "spark", "host": settings.spark_master})
    return {
        **_environment(settings, redis),
        **variables,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_SPARK_DEFAULT": connection,
    }


def _environment(settings: Settings, redis: str) -> dict[str, str]:
    return {
        **os.environ,
        "REELMILL_HOME": str(settings.home),
        "REELMILL_REDIS_URL": redis,
        # `airflow standalone` looks its own parts up here, and the Spark operator spark-submit.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        # Left to find it, spark-submit breaks at a space in the path of the checkout.
        "SPARK_HOME": os.environ.get("SPARK_HOME") or str(Path(pyspark.__file__).parent),
    }


def password(settings: Settings) -> str:
    """The password of `admin`: made once per home, in a file that only its owner can read."""
    path = _password_file(settings)
    if not path.exists():
        with appearing(path) as unfinished:
            unfinished.touch(mode=0o600)
            unfinished.write_text(json.dumps({ADMIN: secrets.token_urlsafe(12)}))
    return str(json.loads(path.read_text())[ADMIN])


def _password_file(settings: Settings) -> Path:
    return settings.home / "airflow" / "passwords.json"


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL:])


@contextmanager
def _running(
    command: list[str], environment: Mapping[str, str], log: Path, url: str, ready: Callable[[str], bool]
) -> Iterator[Orchestrator]:
    with _interruptible(), log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, cwd=REPOSITORY, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + _START_S
            while not ready(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    state = "ended" if process.poll() is not None else f"was not ready after {_START_S:.0f} s"
                    raise OrchestratorDown(f"`{' '.join(command)}` {state}. The end of {log}:\n{tail(log)}")
                time.sleep(0.5)
            yield Orchestrator(url, log, process)
        finally:
            _stop(process)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that `kill` leaves no children either.

    A handler of our own also undoes an inherited "ignore" (a shell's `&`), which the children would inherit in turn.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {s: signal.signal(s, interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the whole session: politely at its head, then everybody in it, tasks and their JVMs included.

    Airflow gives each task a process group of its own, so signalling a group would miss the JVMs; the session has all.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # an impatient second Ctrl-C would leave half of them behind
    for number, patience in ((signal.SIGINT, 5.0), (signal.SIGTERM, _STOP_S), (signal.SIGKILL, _STOP_S)):
        members = [process.pid] if number == signal.SIGINT else _session(process.pid)
        for pid in members:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not _session(process.pid):
                process.wait()
                return
            time.sleep(0.1)


def _session(leader: int) -> list[int]:
    """The living processes of a session."""
    members = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # After the command's name, which may hold spaces and brackets: state, parent, group, session.
            state, _, _, session, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == leader and state != "Z":
            members.append(int(entry.name))
    return members


def _airflow_ready(url: str) -> bool:
    health = _get(f"{url}/api/v2/monitor/health")
    parts = ("metadatabase", "scheduler", "dag_processor")
    return health is not None and all(health[part]["status"] == "healthy" for part in parts)


def _dagster_ready(url: str) -> bool:
    return _get(f"{url}/server_info") is not None


def _get(url: str) -> dict[str, dict[str, str]] | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: dict[str, dict[str, str]] = json.load(answer)
            return found
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def _executable(name: str) -> Path:
    """The command of the environment that runs us, whatever the PATH says."""
    return Path(sys.executable).parent / name


@click.group()
def main() -> None:
    """Start an orchestrator for this home (REELMILL_HOME) and stop it, and all it started, with Ctrl-C."""


@main.command("airflow")
@click.option("--port", type=int, help="Its port on 127.0.0.1; a free one when left out.")
def airflow_command(port: int | None) -> None:
    """Airflow with Reelmill's DAGs. Example: python -m jobs.command.orchestrators airflow --port 8080"""
    settings = Settings()
    _serve(
        airflow(settings, port),
        "Airflow is starting (on a new home that takes a minute)",
        lambda up: (
            f"Airflow is at {up.url}\n"
            f"  log in as  {ADMIN}\n"
            f"  password   {password(settings)}\n"
            f"  home       {settings.home}\n"
            f"  log        {up.log}\n"
            "All DAGs start paused: switch on what should run by itself, or trigger reelmill_nightly for a day that "
            "has events (docs/operations.md)."
        ),
    )


@main.command("catalog")
@click.option("--port", type=int, help="Its port on 127.0.0.1; a free one when left out.")
def catalog_command(port: int | None) -> None:
    """Dagster with the graph of all tables. Example: python -m jobs.command.orchestrators catalog --port 3000"""
    settings = Settings()
    _serve(
        dagster(settings, port),
        "The catalogue is starting",
        lambda up: f"The catalogue is at {up.url}/asset-groups\n  home       {settings.home}\n  log        {up.log}",
    )


def _serve(context: AbstractContextManager[Orchestrator], starting: str, ready: Callable[[Orchestrator], str]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    try:
        with ExitStack() as stack:
            with console.status(starting):
                up = stack.enter_context(context)
            console.print(ready(up), markup=False)
            console.print("Ctrl-C stops it.")
            up.wait()
    except KeyboardInterrupt:
        console.print("Stopped.")
    except ReelmillError as error:
        console.print(str(error), markup=False, style="red")
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except ReelmillError as wrong:
        sys.exit(str(wrong))
