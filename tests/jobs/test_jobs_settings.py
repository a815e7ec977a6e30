"""Settings: what messages and documents tell people to set is there to be set."""

import re

from jobs.settings import REPOSITORY, Settings

ROOMS = ("bench", "dags", "data_contracts", "docs", "feature_repo", "jobs", "serving")


def test_every_setting_that_a_message_or_a_page_names_exists() -> None:
    pages = [*REPOSITORY.glob("*.md"), REPOSITORY / "Makefile"]
    pages += [path for room in ROOMS for path in REPOSITORY.joinpath(room).rglob("*") if path.suffix in (".py", ".md")]
    there = {f"REELMILL_{name.upper()}" for name in Settings.model_fields}
    named = {(word, path.name) for path in pages for word in re.findall(r"REELMILL_[A-Z_]*[A-Z]", path.read_text())}
    assert {(word, page) for word, page in named if word not in there} == set()
