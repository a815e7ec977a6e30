"""Every setting is shown with its variable, its meaning and its value, and the page of the docs is made of them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jobs.command.cli import cli
from jobs.command.variables import page, variables
from jobs.settings import REPOSITORY, Settings


def invoke(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, ["settings", *words], env=environment, catch_exceptions=False)


def test_every_setting_says_what_it_means() -> None:
    assert [v.name for v in variables() if not v.meaning.endswith(".")] == []
    assert len(variables()) == len(Settings.model_fields)


def test_the_page_of_the_docs_is_what_the_command_prints() -> None:
    written = (REPOSITORY / "docs" / "settings.md").read_text()
    assert written == page(), "run `reelmill settings --markdown > docs/settings.md`"
    assert "| `REELMILL_LAKE` | `$REELMILL_HOME/lake` |" in written


def test_what_is_set_is_shown_without_its_password_and_what_is_misspelt_is_named(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    said = invoke("--json", REELMILL_HOME=home, REELMILL_REDIS_URL="redis://me:hush@there:6379/0", REELMILL_EXPLOR="1")
    found = json.loads(said.output)
    shown = {v["name"]: v for v in found["settings"]}
    assert (shown["REELMILL_HOME"]["value"], shown["REELMILL_HOME"]["is_set"]) == (home, True)
    assert shown["REELMILL_REDIS_URL"]["value"] == "redis://***@there:6379/0"
    assert (shown["REELMILL_LAKE"]["value"], shown["REELMILL_LAKE"]["is_set"]) == (f"{home}/lake", False)
    assert found["unknown"] == ["REELMILL_EXPLOR"]
    by_kafka = {"REELMILL_EVENTS": "kafka://me@there:1/events", "REELMILL_KAFKA_PASSWORD": "hush"}
    said = invoke("--json", REELMILL_HOME=home, **by_kafka)
    shown = {v["name"]: v for v in json.loads(said.output)["settings"]}
    assert shown["REELMILL_EVENTS"]["value"] == "kafka://***@there:1/events" and "hush" not in said.output
    assert "hush" not in invoke(REELMILL_HOME=home, REELMILL_REDIS_URL="redis://me:hush@there:6379/0").output


@pytest.mark.parametrize("words", [("--help",), ()])
def test_help_and_the_table_name_every_setting(tmp_path: Path, words: tuple[str, ...]) -> None:
    said = invoke(*words, REELMILL_HOME=str(tmp_path / "home")).output
    assert [v.name for v in variables() if v.name not in said] == []
