"""Fixtures that several rooms share: one Spark session, a fresh lake for each test, and one small world's night.

Belongs here: only what more than one room uses.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import imageio_ffmpeg
import pytest
from pyspark.sql import SparkSession

from jobs.command.progress import run_pipeline
from jobs.engine.job import Job
from jobs.engine.lake import Lake
from jobs.engine.query import query, tables
from jobs.engine.runner import run_job
from jobs.engine.runs import JobRun
from jobs.engine.spark import session
from jobs.engine.window import Window
from jobs.host.locks import alone
from jobs.settings import REPOSITORY, Settings
from jobs.sim.simulate import simulate

REELMILL = [sys.executable, "-m", "jobs.command.cli", "--debug"]

# No JVM of a test lives long enough to win back what its optimising compiler costs, or has a heap for two collectors'
# threads; and the classes of released jars need no verifying again at each start (together a fifth of a start). Without
# the optimising compiler there is room for 48 MB of code, which a session that runs all tests fills and clears again.
os.environ["JDK_JAVA_OPTIONS"] = (
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
    " -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
)

# For frames of three rows, compiling a query and splitting it into stages takes longer than running it: a quarter of
# what the tests of the lake cost was Java code, generated and compiled for each expression. Killed pipelines do it yet.
FOR_SMALL_FRAMES = {
    "spark.sql.shuffle.partitions": "1",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


# Rooms whose files take minutes each: the last of them would leave the other worker idle.
DEAREST = {"end_to_end", "faults"}
# Whoever asks for one of these fixtures, be it through others, starts a JVM, or makes clips.
MARKED = {"jvm": {"spark", "start"}, "clips": {"ffmpeg"}}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The dearest first; and what is dear by its fixtures is not for `make check`."""
    items.sort(key=lambda item: not DEAREST & set(item.path.parts))
    for item in items:
        for marker, fixtures in MARKED.items():
            if fixtures & set(getattr(item, "fixturenames", ())):
                item.add_marker(marker)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    started = session(
        Settings(home=tmp_path_factory.mktemp("spark"), spark_memory="2g", spark_master="local[2]"), "tests"
    )
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
def night(
    spark: SparkSession,
    fresh_world: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
    testrun_uid: str,
) -> Path:
    """The home after one undisturbed nightly pipeline, made once for all workers: no test may change what it says.

    It runs in `spark`. The command, in a process of its own, is what the kills strike (tests/faults),
    and its tables have to be equal to these.
    """
    common = tmp_path_factory.getbasetemp().parent / testrun_uid
    made = common / "night"
    with alone(Settings(home=common), "night"):
        if not made.exists():
            home = fresh_world("night")
            run_pipeline("nightly", None, Settings(home=home))
            made.write_text(str(home))
    return Path(made.read_text())


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
