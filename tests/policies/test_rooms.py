"""Policies over the folders: every module says what belongs there, and every test file mirrors a module.

The order of the rooms is the linter's to hold (`make lint`); here is that its list of layers leaves no room out.
"""

import ast
import subprocess
import tomllib
from pathlib import PurePosixPath

import pytest

from jobs.pipeline import JOBS
from jobs.settings import REPOSITORY

PACKAGES = ("jobs", "serving", "dags", "data_contracts", "feature_repo")
# These test no one module but what comes of all of them.
ROOMS_OF_THEIR_OWN = ("end_to_end", "faults", "policies", "browser")
# A folder of tests mirrors a room of jobs, or one of these.
TOP_LEVEL = ("serving", "dags", "data_contracts", "feature_repo", "bench")


def tracked(*folders: str) -> list[PurePosixPath]:
    """The Python files of folders that git has or is about to be given."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [PurePosixPath(line) for line in listed.stdout.splitlines() if (REPOSITORY / line).exists()]
    return [path for path in paths if path.suffix == ".py"]


def mirrored(test: PurePosixPath) -> list[PurePosixPath]:
    """The modules and packages that a test file may be named for: test_<module>.py or test_<module>_<aspect>.py."""
    folder = PurePosixPath(*test.parts[1:-1])
    if not folder.parts or folder.parts[0] not in TOP_LEVEL:
        folder = "jobs" / folder
    words = test.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
    return [folder / name for name in names] + [folder / f"{name}.py" for name in names]


@pytest.mark.parametrize("module", tracked(*PACKAGES), ids=str)
def test_a_module_says_what_belongs_there(module: PurePosixPath) -> None:
    assert "Belongs here:" in (ast.get_docstring(ast.parse((REPOSITORY / module).read_text())) or "")


def test_the_root_of_jobs_holds_five_modules_and_else_rooms() -> None:
    at_the_root = {path.stem for path in tracked("jobs") if len(path.parts) == 2}
    assert at_the_root == {"__init__", "pipeline", "settings", "errors", "submit"}


def test_the_layers_name_every_room_of_jobs() -> None:
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract for contract in contracts if contract["type"] == "layers")
    named = {name.strip() for layer in layers["layers"] for name in layer.split(":")}
    assert layers["exhaustive"] and named == {path.parts[1].removesuffix(".py") for path in tracked("jobs")} - {
        "__init__"
    }


def test_a_job_keeps_its_name_since_checkpoints_and_history_hang_on_it() -> None:
    assert sorted(JOBS) == [
        "events.impressions",
        "events.ingest",
        "events.watches",
        "features.creators",
        "features.hashtags",
        "features.hourly_hashtags",
        "features.hourly_sounds",
        "features.hourly_videos",
        "features.materialise",
        "features.materialise_hourly",
        "features.trending",
        "features.user_creators",
        "features.user_hashtags",
        "features.users",
        "features.videos",
        "feeds.audit",
        "feeds.build",
        "feeds.compare",
        "feeds.publish",
        "feeds.related",
        "feeds.rewards",
        "feeds.trending",
        "feeds.visibility",
        "media.ingest",
        "media.publish",
        "ops.feature_quality",
        "ranking.candidates",
        "ranking.examples",
        "ranking.similar",
        "ranking.train",
    ]


@pytest.mark.parametrize(
    "test",
    [path for path in tracked("tests") if path.stem.startswith("test_") and path.parts[1] not in ROOMS_OF_THEIR_OWN],
    ids=str,
)
def test_a_test_file_is_named_for_a_module_of_its_room(test: PurePosixPath) -> None:
    assert [path for path in mirrored(test) if (REPOSITORY / path).exists()]


def test_no_benchmark_hides_a_package_from_those_beside_it() -> None:
    """`python bench/ingest.py` looks for packages in bench/ first, where a serving.py would be found for serving/."""
    assert not {path.stem for path in tracked("bench")} & set(PACKAGES)
