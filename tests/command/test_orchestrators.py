"""Starting and stopping an orchestrator, with commands that stand for Airflow where a real one would add nothing."""

import os
import stat
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from jobs.command import orchestrators
from jobs.command.orchestrators import Orchestrator, OrchestratorDown, airflow_environment, password
from jobs.settings import Settings


def start(script: str, log: Path) -> AbstractContextManager[Orchestrator]:
    return orchestrators._running(
        ["bash", "-c", script], os.environ, log, "http://127.0.0.1", lambda url: log.stat().st_size > 0
    )


@pytest.mark.slow
def test_everything_that_it_started_ends_with_it_whatever_its_process_group(tmp_path: Path) -> None:
    # `set -m` gives each background job a process group of its own, as Airflow gives one to each task.
    with start("set -m; sleep 600 & sleep 600 & echo up; wait", tmp_path / "log") as running:
        during = orchestrators._session(running.process.pid)
    assert len(during) == 3
    assert orchestrators._session(running.process.pid) == []


@pytest.mark.slow
def test_one_that_ignores_polite_requests_ends_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orchestrators, "_STOP_S", 1.0)
    with start("trap '' INT TERM; echo up; while true; do sleep 1; done", tmp_path / "log") as running:
        pass
    assert orchestrators._session(running.process.pid) == []


def test_one_that_does_not_start_says_so_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["bash", "-c", "echo the port is taken; exit 3"]
    with (
        pytest.raises(OrchestratorDown, match="the port is taken"),
        orchestrators._running(command, os.environ, log, "http://127.0.0.1", lambda url: False),
    ):
        pass


def test_the_password_is_made_once_and_only_its_owner_can_read_it(settings: Settings) -> None:
    assert password(settings) == password(settings)
    mode = (settings.home / "airflow" / "passwords.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_two_homes_share_no_port_no_folder_and_no_key(tmp_path: Path) -> None:
    one, other = (
        airflow_environment(Settings(home=tmp_path / n), port, "redis://x") for n, port in (("a", 1), ("b", 2))
    )
    same = {name for name in one if name not in os.environ and one[name] == other[name]}
    same.discard("SPARK_HOME")  # where the program lies
    assert not {name for name in same if "PORT" in name or "HOME" in name or "JWT" in name or "PASSWORDS" in name}


@pytest.mark.slow
def test_spark_submit_starts_in_a_checkout_whose_path_has_a_space(tmp_path: Path, settings: Settings) -> None:
    commands = tmp_path / "my projects" / "bin"
    commands.parent.mkdir()
    commands.symlink_to(Path(sys.executable).parent)
    # As the tasks start it.
    python = {"PYSPARK_PYTHON": str(commands / "python")}
    environment = airflow_environment(settings, 8080, "redis://localhost") | python
    told = subprocess.run([commands / "spark-submit", "--version"], env=environment, capture_output=True, text=True)
    assert (told.returncode, "version 4." in told.stderr) == (0, True), told.stderr
