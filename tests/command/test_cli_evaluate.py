"""`reelmill evaluate`: from files to figures, in one process."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from jobs.command.cli import cli


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The command on twelve viewers who have watched three of four videos each, and watch the fourth."""
    lines: dict[str, list[str]] = {"train": [], "test": []}
    for viewer in range(12):
        for video in range(4):
            lines["test" if video == viewer % 4 else "train"].append(f"{viewer},{video}")
    for name, rows in lines.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["user_id,video_id", *rows, ""]))
    return ["evaluate", "--train", str(tmp_path / "train.csv"), "--test", str(tmp_path / "test.csv")]


def test_the_json_has_every_system_with_intervals_and_the_page_stands_alone(words: list[str], tmp_path: Path) -> None:
    out, page = tmp_path / "found.json", tmp_path / "found.html"
    done = CliRunner().invoke(cli, [*words, "--k", "1,2", "--json", str(out), "--page", str(page)])
    assert done.exit_code == 0, done.output
    systems = json.loads(out.read_text())["systems"]
    assert [(systems[0]["name"], systems[0]["fit"])] == [("reelmill", "train")]
    assert {"popularity", "item_knn", "item_item", "blend"} <= {system["name"] for system in systems}
    for system in systems:
        assert {"ndcg@1", "recall@2", "map@2", "mrr@2", "hit@2", "coverage@2", "gini@2"} <= set(system["metrics"])
        assert all(set(metric) == {"value", "low", "high"} for metric in system["metrics"].values())
        assert system["seconds"] >= 0 and system["peak_mb"] > 0
    # Everybody has one unseen video, which is the one they watch.
    assert systems[0]["metrics"]["recall@1"]["value"] == 1
    text = page.read_text()
    assert text.count("<svg") > 5
    assert "http" not in text and "<script" not in text
    assert "12 test pairs of 12 viewers" in done.output


def test_what_cannot_be_is_told_before_anything_is_learned(words: list[str], tmp_path: Path) -> None:
    for more, complaint in (
        (["--k", "0"], "a list has 1 to 200 places"),
        (["--k", "ten"], "write it as 10,20"),
        (["stray.npy"], "stray.npy belongs to no option"),
        (["--item-ids", words[2]], "names the rows of --item-features, which is not given"),
        (["--item-features", "absent.npy"], "absent.npy"),
        (["--test", str(tmp_path / "absent.csv")], "absent.csv is no file"),
    ):
        done = CliRunner().invoke(cli, [*words, *more])
        assert done.exit_code != 0
        assert complaint in done.output + str(done.exception), more


def test_a_log_of_chance_judges_a_policy_and_needs_no_other_file(tmp_path: Path) -> None:
    log, out = tmp_path / "log.csv", tmp_path / "found.json"
    rows = [f"{n % 3},{n % 2},{n % 2},0.5,{0.9 if n % 2 else 0.1}" for n in range(600)]
    log.write_text("\n".join(["context,action,reward,propensity,target_probability", *rows, ""]))
    done = CliRunner().invoke(cli, ["evaluate", "--counterfactual", str(log), "--json", str(out)])
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert found["estimates"]["logged"]["value"] == 0.5
    assert {name: round(found["estimates"][name]["value"], 2) for name in ("ips", "snips", "dr")} == {
        "ips": 0.9,
        "snips": 0.9,
        "dr": 0.9,
    }
    assert "doubly robust" in done.output and "600 rows" in done.output


def test_a_log_and_pairs_are_two_questions(words: list[str]) -> None:
    both = CliRunner().invoke(cli, [*words, "--counterfactual", "log.csv"])
    neither = CliRunner().invoke(cli, ["evaluate"])
    assert both.exit_code == neither.exit_code == 2
    assert "reads one log" in both.output and "--train and --test are needed" in neither.output
