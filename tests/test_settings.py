"""Settings: what messages and documents tell people to set is there to be set."""

import re
from pathlib import Path

import pytest

from jobs import settings
from jobs.settings import REPOSITORY, Settings, UnsafePath

ROOMS = ("bench", "dags", "data_contracts", "docs", "feature_repo", "jobs", "serving")


def test_every_setting_that_a_message_or_a_page_names_exists() -> None:
    pages = [*REPOSITORY.glob("*.md"), REPOSITORY / "Makefile"]
    pages += [path for room in ROOMS for path in REPOSITORY.joinpath(room).rglob("*") if path.suffix in (".py", ".md")]
    there = {f"REELMILL_{name.upper()}" for name in Settings.model_fields}
    named = {(word, path.name) for path in pages for word in re.findall(r"REELMILL_[A-Z_]*[A-Z]", path.read_text())}
    assert {(word, page) for word, page in named if word not in there} == set()


@pytest.mark.parametrize("name", ["a[b", "a{b", "a*", "a?", "50%", "a#b", "a\\b", "a`b", "a\nb"])
def test_a_folder_whose_name_the_engines_would_misread_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafePath, match="Set REELMILL_HOME to a folder without it"):
        Settings(home=tmp_path / name)
    with pytest.raises(UnsafePath):
        Settings(home=tmp_path / "good", lake=tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_home_is_readable_by_its_owner_only_from_the_first_moment_on(tmp_path: Path) -> None:
    home = Settings(home=tmp_path / "new" / "my home, o'hara's").home
    assert home.stat().st_mode & 0o777 == 0o700
    home.chmod(0o755)
    assert Settings(home=home).home.stat().st_mode & 0o777 == 0o700


def test_an_installed_package_keeps_the_jars_in_the_cache_of_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings().jars == REPOSITORY / ".cache" / "jars"
    monkeypatch.setattr(settings, "IS_CHECKOUT", False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings(home=tmp_path / "home").jars == tmp_path / ".cache" / "reelmill" / "jars"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert Settings(home=tmp_path / "home").jars == tmp_path / "caches" / "reelmill" / "jars"
