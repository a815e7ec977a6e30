"""The wheel, installed into a new environment, does everything in an empty folder without the checkout.

`make wheel-test` runs it, for minutes. uv installs it rather than pip, which takes the same packages one after another
and 20 minutes for their 2 GB; outside the checkout uv knows nothing of our overrides either. What the wheel holds is a
policy of the suite's (tests/policies/test_wheel.py).
"""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.settings import REPOSITORY

pytestmark = pytest.mark.packaged

DIST = REPOSITORY / "dist"
# In an isolated process of another folder: the checkout is not found by accident.
OURS = (
    "import dags, data_contracts, feature_repo, jobs, serving; print(*{m.__path__[0] for m in (dags, jobs, serving)})"
)
DAGS = (
    "import json; from airflow.dag_processing.dagbag import DagBag; from jobs.settings import REPOSITORY; "
    "bag = DagBag(dag_folder=REPOSITORY / 'dags'); print(json.dumps([bag.import_errors, sorted(bag.dags)]))"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with an environment beside it, into which the wheel is installed."""
    place = tmp_path_factory.mktemp("elsewhere")
    venv.create(place / "venv")
    (wheel,) = DIST.glob("reelmill-*.whl")
    install: list[str | Path] = [Path(sys.executable).parent / "uv", "pip", "install", "--quiet", "--python", "venv"]
    subprocess.run([*install, wheel, "--constraint", DIST / "constraints.txt"], cwd=place, check=True)
    (place / "work").mkdir()
    return place / "work"


@pytest.fixture(scope="module")
def run(folder: Path) -> Callable[..., str]:
    """Run a program of the environment in the empty folder, with caches of its own; returns what it printed."""
    programs = folder.parent / "venv" / "bin"
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder.parent / "person"),
        "AIRFLOW_HOME": str(folder.parent / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }

    def runner(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [programs / program, *arguments], cwd=folder, env=environment, capture_output=True, text=True
        )
        print(f"$ {program} {' '.join(arguments)[:70]}", done.stdout, done.stderr[-2000:], sep="\n", file=sys.stderr)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return runner


def test_the_packages_are_those_of_the_wheel(folder: Path, run: Callable[..., str]) -> None:
    assert all(path.startswith(str(folder.parent / "venv")) for path in run("python", "-I", "-c", OURS).split())


def test_the_command_makes_a_small_world_and_feeds_on_it_with_jars_that_the_first_job_fetches(
    folder: Path, run: Callable[..., str]
) -> None:
    run("reelmill", "--help")
    run("reelmill", "simulate", "world", "--viewers", "40", "--creators", "6", "--videos", "30", "--days", "4")
    run("reelmill", "pipeline", "nightly")
    assert "pos" in run("reelmill", "query", "SELECT * FROM gold.feeds ORDER BY position LIMIT 3")
    assert list((folder.parent / "person" / ".cache" / "reelmill" / "jars").glob("*delta-spark_*.jar"))
    run("reelmill", "doctor")


def test_airflow_imports_the_dags(run: Callable[..., str]) -> None:
    run("airflow", "db", "migrate")
    errors, dags = json.loads(run("python", "-c", DAGS).splitlines()[-1])
    assert errors == {} and dags == ["reelmill_daily", "reelmill_hourly", "reelmill_ingest", "reelmill_nightly"]


def test_dagster_loads_the_graph(run: Callable[..., str]) -> None:
    said = run("dagster", "definitions", "validate", "-m", "dags.catalog")
    assert "Validation successful for code location dags.catalog" in said
