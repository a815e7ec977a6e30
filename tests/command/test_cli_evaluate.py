"""`reelmill evaluate`: from files to figures, in one process."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from jobs.command.cli import cli
from jobs.evaluation.published.yambda import TEST_FROM, VALID_FROM


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
    lake = CliRunner().invoke(cli, [*words, "--counterfactual"])
    neither = CliRunner().invoke(cli, ["evaluate"])
    assert both.exit_code == lake.exit_code == neither.exit_code == 2
    assert "reads one log" in both.output and "reads one log" in lake.output
    assert "--train and --test are needed" in neither.output


def test_a_model_is_named_for_the_lake_alone(words: list[str]) -> None:
    log = CliRunner().invoke(cli, ["evaluate", "--counterfactual", "log.csv", "--model", "fusion_order"])
    pairs = CliRunner().invoke(cli, [*words, "--model", "fusion_order"])
    assert log.exit_code == pairs.exit_code == 2
    assert "without a file" in log.output and "goes with --counterfactual" in pairs.output


@pytest.mark.usefixtures("spark")
def test_the_lake_is_evaluated_as_files_are(night: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    done = CliRunner().invoke(
        cli, ["evaluate", "--temporal", "--k", "5", "--json", str(out)], env={"REELMILL_HOME": str(night)}
    )
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert found["origin"][0].startswith("silver.watches version")
    assert found["judged"]["viewers"] > 10 and found["judged"]["unreachable_pairs"] == 0
    fits = {(system["name"], system["fit"]) for system in found["systems"]}
    assert {(name, fit) for name in ("reelmill", "fresh", "popularity") for fit in ("train", "train+valid")} <= fits
    assert "training before" in done.output


def test_the_lake_and_files_are_two_questions(words: list[str]) -> None:
    both = CliRunner().invoke(cli, [*words, "--temporal"])
    days = CliRunner().invoke(cli, [*words, "--test-days", "2"])
    assert both.exit_code == days.exit_code == 2
    assert "no file goes with it" in both.output and "goes with --temporal" in days.output


def test_a_protocol_is_one_that_there_is_and_goes_with_no_other_file(words: list[str]) -> None:
    unknown = CliRunner().invoke(cli, ["evaluate", "--protocol", "other"])
    both = CliRunner().invoke(cli, [*words, "--protocol", "yambda"])
    assert unknown.exit_code == both.exit_code == 2
    assert "there are yambda, vk-lsvd" in unknown.output and "no other file goes with it" in both.output


def test_a_published_protocol_says_its_rules_and_judges_its_lengths(tmp_path: Path) -> None:
    # Everybody likes what the two before them like, and in the test likes one of it again.
    parts = {0: (0, 1, 2), VALID_FROM: (0,), TEST_FROM: (1,)}
    rows = [(uid, (uid + n) % 12, at + n) for uid in range(12) for at, likes in parts.items() for n in likes]
    events = [dict(zip(("uid", "item_id", "timestamp"), row, strict=True)) for row in rows]
    pq.write_table(pa.Table.from_pylist(events), tmp_path / "likes")
    out = tmp_path / "found.json"
    asked = ["evaluate", "--protocol", "yambda", str(tmp_path / "likes"), "--json", str(out)]
    done = CliRunner().invoke(cli, asked, env={"REELMILL_HOME": str(tmp_path / "home")}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert found["origin"][0].startswith("protocol yambda") and "protocol yambda" in done.output
    assert found["judged"] == {"viewers": 12, "without_history": 0, "pairs": 12, "unreachable_pairs": 0}
    best = found["systems"][0]["metrics"]
    assert {"ndcg@10", "ndcg@50", "recall_capped@100"} <= set(best)
    # There are twelve tracks, and what was heard is among them.
    assert best["recall_capped@50"]["value"] == 1
