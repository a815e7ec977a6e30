"""Fixtures that several rooms share: one Spark session, a fresh lake for each test, and one small world's night
in a real Airflow.

Belongs here: only what more than one room uses.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import hypothesis
import imageio_ffmpeg
import pytest
from pyspark.sql import SparkSession

from jobs.command.orchestrators import airflow
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.query import query, tables
from jobs.engine.runner import run_job
from jobs.engine.runs import JobRun
from jobs.engine.spark import session
from jobs.engine.window import Window
from jobs.host.locks import alone
from jobs.pipeline import jobs_of
from jobs.settings import REPOSITORY, Settings
from jobs.sim.simulate import simulate
from tests.airflow import BAD, log_of, processes_of, run_dag, signed_in

REELMILL = [sys.executable, "-m", "jobs.command.cli", "--debug"]

# No JVM of a test lives long enough to win back what its optimising compiler costs, or has a heap for two collectors'
# threads; and the classes of released jars need no verifying again at each start (together a fifth of a start). Without
# the optimising compiler there is room for 48 MB of code, which a session that runs all tests fills and clears again.
os.environ["JDK_JAVA_OPTIONS"] = (
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
    " -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
    # A heap that begins small is collected every second, and pages of 4 KB are many to look up: 7 % together.
    " -XX:InitialRAMPercentage=4"
) + (" -XX:+UseTransparentHugePages" if Path("/sys/kernel/mm/transparent_hugepage").exists() else "")

# Whether a machine is slow, or does something else besides, is nothing that a drawn case shows.
hypothesis.settings.register_profile("reelmill", deadline=None)
hypothesis.settings.load_profile("reelmill")

# For frames of three rows, compiling a query takes longer than running it: a quarter of what the tests of the lake cost
# was Java code, generated and compiled for each expression. Another quarter was the text of each plan for Spark's
# pages, anew after each of its stages; of compiled code alone, which there is not, it has nothing to say. Killed
# pipelines do all that yet.
SMALL = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.ui.explainMode": "codegen",
    # What a stage found changes no plan of so few rows; each would be planned anew for it all the same. Nights by the
    # command, and those that are killed, do adapt, and end in the tables of those that do not.
    "spark.sql.adaptive.enabled": "false",
}
FOR_SMALL_FRAMES = {
    **SMALL,
    "spark.sql.shuffle.partitions": "1",
    "spark.databricks.delta.snapshotPartitions": "1",
}

# The same for a task of Airflow, which lives for seconds.
UNCOMPILED = " ".join(f"-D{name}={value}" for name, value in SMALL.items())
# Of the small world.
NEWEST_DAY = date(2026, 1, 10)

# Rooms whose files take minutes each: the last of them would leave the other worker idle.
DEAREST = {"end_to_end", "faults"}
# Whoever asks for one of these fixtures, be it through others, starts a JVM, makes clips or imports Airflow.
MARKED = {"jvm": {"spark", "start", "night"}, "clips": {"ffmpeg"}, "airflow": {"facts"}}


# What takes many minutes has a make target of its own, and runs when its marker is asked for by name.
ON_DEMAND = {"crash", "histories", "soak", "cluster", "days", "s3", "compose", "packaged"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The dearest first. What is dear by its fixtures is not for `make check`, what is on demand for nobody else."""
    not_asked = ON_DEMAND - set(re.findall(r"\w+", config.option.markexpr))
    left_out = [item for item in items if not_asked & {marker.name for marker in item.iter_markers()}]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: not DEAREST & set(item.path.parts))
    for item in items:
        for marker, fixtures in MARKED.items():
            if fixtures & set(getattr(item, "fixturenames", ())):
                item.add_marker(marker)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    # With the jars that read a topic, which those need that do (tests/arrivals/test_kafka.py).
    topic = Path("kafka://127.0.0.1:9092/events")
    home = tmp_path_factory.mktemp("spark")
    started = session(Settings(home=home, events=topic, spark_memory="2g", spark_master="local[2]"), "tests")
    for name, value in FOR_SMALL_FRAMES.items():
        started.conf.set(name, value)
    yield started
    started.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def lake(spark: SparkSession, settings: Settings) -> Lake:
    return Lake(spark, settings)


@pytest.fixture
def noop() -> Job:
    def nothing(lake: Lake, window: Window) -> None:
        assert lake.job == "sim.noop" and window

    return Job("sim.noop", "day", (), (), nothing, "Does nothing.")


@pytest.fixture
def recorded_run(noop: Job, spark: SparkSession, settings: Settings) -> JobRun:
    return run_job(noop, Window.of_day(date(2026, 1, 5)), spark, settings)


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., None]:
    """ffmpeg(*arguments) runs it; its complaint is the test's."""

    def run(*arguments: str | Path) -> None:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-v", "error", "-y"]
        done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real clips and data beside the project's root; tests that need them skip where they are absent."""
    folder = REPOSITORY.parent / "shared"
    if not folder.exists():
        pytest.skip(f"needs the real clips and data of {folder}, which is not there")
    return folder


@pytest.fixture(scope="session")
def start() -> Callable[..., "subprocess.Popen[str]"]:
    """Starts the command on a home, as a process of its own session."""

    def run(home: Path, *words: str) -> "subprocess.Popen[str]":
        environment = {**os.environ, "REELMILL_HOME": str(home), "REELMILL_SPARK_MEMORY": "2g", "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(
            [*REELMILL, *words], env=environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def reelmill(start: Callable[..., "subprocess.Popen[str]"]) -> Callable[..., str]:
    """Runs the command on a home and returns what it printed; fails with it when the command does."""

    def run(home: Path, *words: str) -> str:
        with start(home, *words) as process:
            said = process.communicate()[0]
        assert process.returncode == 0, said
        return said

    return run


@pytest.fixture(scope="session")
def fresh_world(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a home that holds what arrived from outside, and nothing that was computed."""
    world = tmp_path_factory.mktemp("world") / "home"

    def copy(name: str) -> Path:
        if not world.exists():
            simulate(Settings(home=world), viewers=60, creators=8, videos=40, days=6)
        return Path(shutil.copytree(world, tmp_path_factory.mktemp(name) / "home"))

    return copy


@pytest.fixture(scope="session")
def night(fresh_world: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory, testrun_uid: str) -> Path:
    """The home after one night that a real Airflow has run, once for all workers: no test may change what it says.

    Each task is a process that lives for seconds, two at a time. The command (test_nightly.py), and a command that is
    killed (tests/faults), have to end in the same tables.
    """
    common = tmp_path_factory.getbasetemp().parent / testrun_uid
    made = common / "night"
    with alone(Settings(home=common), "night"):
        if not made.exists():
            home = fresh_world("night")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("REELMILL_SPARK_MASTER", "local[2]")
                patch.setenv("REELMILL_SPARK_MEMORY", "1g")
                patch.setenv("JDK_JAVA_OPTIONS", f"{os.environ['JDK_JAVA_OPTIONS']} {UNCOMPILED}")
                settings = Settings(home=home)
                with airflow(settings) as running, signed_in(running, settings) as api:
                    # Of a day that no job can work on: what fails, before anything runs.
                    refused, _ = run_dag(api, running, "reelmill_ingest", {"conf": {"day": "2999-01-01"}}, BAD)
                    first = f"{refused}/taskInstances/media.ingest"
                    run, states = run_dag(api, running, "reelmill_nightly", {"logical_date": f"{NEWEST_DAY}T00:00:00Z"})
                    events = api.get("/api/v2/assets/events", params={"limit": 100}).raise_for_status().json()
                    # Of some five minutes, when all that arrived has been taken in.
                    idle, gated = run_dag(api, running, "reelmill_ingest", {"from_date": f"{NEWEST_DAY}T12:00:00Z"})
                    told = {
                        "refused": {**api.get(first).json(), "log": log_of(api, first, 1)},
                        "idle": {"states": gated, "log": log_of(api, f"{idle}/taskInstances/gate", 1)},
                        "note": api.get(run).json()["note"],
                        "events": events["asset_events"],
                        "written": written(settings),
                    }
            assert states == {job.name: "success" for job in jobs_of("nightly")}
            assert processes_of(settings) == []
            (common / "told.json").write_text(json.dumps(told))
            made.write_text(str(home))
    return Path(made.read_text())


def written(settings: Settings) -> list[dict[str, Any]]:
    """What each run committed to each table: its rows, and the last version."""
    sql = """
        SELECT run_id, w.table, sum(w.rows)::BIGINT AS rows, max(w.version) AS delta_version
        FROM (SELECT run_id, unnest(writes) AS w FROM ops.job_runs) GROUP BY run_id, w.table
    """
    names, rows = query(sql, settings)
    return [dict(zip(names, row, strict=True)) for row in rows]


@pytest.fixture(scope="session")
def told(night: Path, tmp_path_factory: pytest.TempPathFactory, testrun_uid: str) -> dict[str, Any]:
    """What that Airflow said of its runs."""
    common = tmp_path_factory.getbasetemp().parent / testrun_uid
    found: dict[str, Any] = json.loads((common / "told.json").read_text())
    return found


@pytest.fixture(scope="session")
def refused(told: dict[str, Any]) -> dict[str, Any]:
    """A task of that Airflow that failed before the night, and its log."""
    found: dict[str, Any] = told["refused"]
    return found


@pytest.fixture(scope="session")
def content() -> Callable[[Path], dict[str, str]]:
    """The hash of what every table says, whatever its files; without what names a run and not its outcome."""

    def hashes(home: Path) -> dict[str, str]:
        settings = Settings(home=home)
        said = {}
        for table in tables(settings):
            if table.name.startswith("ops."):
                continue
            layer, _, name = table.name.partition(".")
            columns = "* EXCLUDE (run_id)" if layer == "quarantine" else "*"
            _, rows = query(
                f'SELECT CAST(t AS VARCHAR) FROM (SELECT {columns} FROM {layer}."{name}") t ORDER BY 1', settings
            )
            said[table.name] = hashlib.sha256("\n".join(row[0] for row in rows).encode()).hexdigest()
        return said

    return hashes
