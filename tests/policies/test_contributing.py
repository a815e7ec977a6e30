"""What CONTRIBUTING.md sends a reader to is there."""

import re

import pytest

from jobs.settings import REPOSITORY

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text()
PATHS = sorted({path for path in re.findall(r"`([\w.]+(?:/[\w.]+)*/?)`", TEXT) if "/" in path})
NAMES = re.findall(r"`(\w+)` in\s+`([\w/]+\.py)`", TEXT)


@pytest.mark.parametrize("path", PATHS)
def test_what_it_names_exists(path: str) -> None:
    assert (REPOSITORY / path).exists()


@pytest.mark.parametrize(("name", "path"), NAMES)
def test_an_example_stands_where_it_says(name: str, path: str) -> None:
    assert re.search(rf"\b{name}\b", (REPOSITORY / path).read_text())
