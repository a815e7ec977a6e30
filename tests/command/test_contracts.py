"""Contracts are checked with the tables that are there, and compared between files, folders and revisions of git."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from data_contracts import contract
from data_contracts.check import faults
from data_contracts.contract import version_of
from jobs.command.cli import cli
from jobs.command.contracts import NoContracts, diff
from jobs.engine.tables import Tables
from jobs.settings import Settings

FEEDS = contract.ROOT / "gold" / "feeds.odcs.yaml"


def invoke(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["contracts", *words], env={"REELMILL_HOME": str(home)}, catch_exceptions=False)


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """The contract of gold.feeds without a column that it had, and with the version that it had."""
    text = re.sub(r"      - name: score\n(?:        .*\n)+", "", FEEDS.read_text())
    file = tmp_path / "feeds.odcs.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("required: true", "required: perhaps", r"feeds.odcs.yaml: 'perhaps' is not of type 'boolean' \(schema/0/"),
        ('description: "Whose feed it is."', "describtion: Whose", "describtion"),
        ("apiVersion: v3.1.0", "apiVersion: v3.0.2", "its apiVersion is v3.0.2, not v3.1.0"),
        ("{property: unit, value: score}", "{property: x, value: y}", "the number 'score' has no unit"),
        ("kind: DataContract", "kind: [", "feeds.odcs.yaml is no YAML"),
    ],
)
def test_a_fault_is_named_with_its_file_and_place(old: str, new: str, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "feeds.odcs.yaml"
    assert old in FEEDS.read_text()
    file.write_text(FEEDS.read_text().replace(old, new, 1))
    assert re.search(fault, faults(file)[0])


def test_of_good_contracts_and_a_table_that_does_not_fit_its_own_the_check_names_the_table(settings: Settings) -> None:
    rows = pa.table({"user_id": ["ann"], "score": [1]})
    deltalake.write_deltalake(Tables.of(settings).uri("gold.feeds"), rows)
    done = invoke(settings.home, "check")
    assert done.exit_code == 3 and done.output.count("\n") == 1
    fault = f"does not fit version {version_of('gold.feeds')} of the contract of gold.feeds: its column score is bigint"
    assert fault in done.output


def test_a_breaking_change_without_a_higher_version_ends_the_diff_with_3(changed: Path, tmp_path: Path) -> None:
    quiet = invoke(tmp_path, "diff", str(FEEDS), str(changed))
    assert quiet.exit_code == 3
    assert quiet.output == "gold.feeds: breaking: the column score is gone. The contract has no higher version.\n"
    changed.write_text(changed.read_text().replace(f"version: {version_of('gold.feeds')}", "version: 2.0.0"))
    said = invoke(tmp_path, "diff", str(FEEDS), str(changed), "--json")
    assert said.exit_code == 0 and json.loads(said.output)[0]["is_versioned"]


def test_a_revision_of_git_is_compared_with_a_folder(
    changed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "repository" / "data_contracts" / "gold" / "feeds.odcs.yaml"
    there.parent.mkdir(parents=True)
    shutil.copy(FEEDS, there)
    monkeypatch.chdir(tmp_path / "repository")
    for words in ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -qm first"):
        subprocess.run(["git", *words.split()], check=True)
    shutil.copy(changed, there)
    assert [one.what for one in diff("HEAD", "data_contracts")] == ["the column score is gone"]
    with pytest.raises(NoContracts, match="no-such is no file and no folder, and git has no revision of it"):
        diff("HEAD", "no-such")
    with pytest.raises(NoContracts, match=r"There is no \*\.odcs\.yaml in "):
        diff("HEAD", str(tmp_path / "repository" / ".git" / "hooks"))
