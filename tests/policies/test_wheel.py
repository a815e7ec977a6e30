"""The wheel holds all that a machine without the checkout needs, and nothing else.

Installed and used it is by `make wheel-test` (tests/end_to_end/test_wheel.py), which takes minutes.
"""

from pathlib import PurePosixPath

import pytest
from hatchling.builders.wheel import WheelBuilder

import data_contracts
from jobs.pipeline import JOBS
from jobs.settings import REPOSITORY


@pytest.fixture(scope="module")
def held() -> set[PurePosixPath]:
    """The files of the wheel, by their path in it."""
    builder = WheelBuilder(str(REPOSITORY))
    return {PurePosixPath(file.distribution_path) for file in builder.recurse_included_files()}


def test_every_job_and_every_contract_is_in_the_wheel(held: set[PurePosixPath]) -> None:
    assert {PurePosixPath("jobs", *name.split(".")).with_suffix(".py") for name in JOBS} <= held
    contracts = {PurePosixPath("data_contracts", *table.split(".")) for table in data_contracts.tables()}
    assert {path.with_suffix(".odcs.yaml") for path in contracts} <= held


@pytest.mark.parametrize(
    "needed",
    [
        "dags/.airflowignore",
        "dags/catalog.py",
        "dags/plugins/reelmill.py",
        "dags/reelmill_nightly.py",
        "feature_repo/definitions.py",
        "jobs/command/cli.py",
        "jobs/engine/log4j2.properties",
        "jobs/media/probe_child.py",
        "jobs/media/visibility.yml",
        "jobs/ranking/policy.yml",
        "jobs/submit.py",
        "serving/app.py",
        "serving/player/app/index.html",
        "serving/player/app/vendor/hls.mjs",
    ],
)
def test_what_is_read_by_its_path_is_in_the_wheel(needed: str, held: set[PurePosixPath]) -> None:
    assert PurePosixPath(needed) in held


def test_nothing_but_the_five_packages_is_in_the_wheel(held: set[PurePosixPath]) -> None:
    assert {path.parts[0] for path in held} == {"dags", "data_contracts", "feature_repo", "jobs", "serving"}
