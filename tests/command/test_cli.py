"""The command answers at once, teaches by example, and says errors in one paragraph."""

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from pyspark.sql import SparkSession

from jobs.arrivals import kafka
from jobs.command.cli import cli
from jobs.engine.job import Job
from jobs.engine.runs import JobRun, succeeded_between
from jobs.engine.tables import Tables
from jobs.engine.window import WrongWindow
from jobs.pipeline import JOBS
from jobs.settings import REPOSITORY, Settings
from jobs.sim.world import creator_id, video_id, viewer_id
from tests.contracted import put

REELMILL = [sys.executable, "-m", "jobs.command.cli"]


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with the words that lead to it."""
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name, command in group.commands.items():
        words = (*path, name)
        found += commands(command, words) if isinstance(command, click.Group) else [(words, command)]
    return found


def invoke(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, list(words), env={"REELMILL_HOME": str(home)}, catch_exceptions=False)


@pytest.mark.parametrize(("words", "command"), commands(), ids=lambda p: " ".join(p) if isinstance(p, tuple) else "")
def test_every_command_says_what_it_does_and_gives_examples(words: tuple[str, ...], command: click.Command) -> None:
    shown = CliRunner().invoke(cli, [*words, "--help"]).output
    assert command.help and command.help.strip().split("\n")[0] in " ".join(shown.split())
    assert "Examples:" in shown and f"reelmill {' '.join(words)}" in shown


def test_examples_name_what_the_demo_has() -> None:
    texts = [(REPOSITORY / "README.md").read_text(), *(str(command.epilog) for _, command in commands())]
    named = {
        found
        for text in texts
        for found in re.findall(r"(?:viewer|creator|clip)-\w+|[0-9a-f]{4}\.\.\.|<(?:user|viewer|video|id)>", text)
    }
    assert named == {viewer_id(0), video_id(0), creator_id(0)}


@pytest.mark.timed
def test_help_answers_in_under_half_a_second() -> None:
    # In seconds of processor time: those of the clock would say how busy the other test worker is.
    before = os.times()
    subprocess.run([*REELMILL, "--help"], check=True, capture_output=True)
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 0.5


@pytest.mark.slow
def test_an_error_is_one_paragraph_and_a_traceback_only_on_request(tmp_path: Path) -> None:
    environment = {"REELMILL_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    wrong = [*REELMILL, "run", "features.nobody"]
    said = subprocess.run(wrong, capture_output=True, text=True, env=environment)
    assert said.returncode == 1 and said.stdout == ""
    assert said.stderr.startswith("Error: There is no job 'features.nobody'. The jobs are: ")
    assert said.stderr.count("\n") == 1
    debug = subprocess.run([*REELMILL, "--debug", *wrong[3:]], capture_output=True, text=True, env=environment)
    assert "Traceback" in debug.stderr


def test_a_date_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    result = invoke(tmp_path, "pipeline", "nightly", "--date", "yesterday")
    assert result.exit_code == 2 and "write it as 2026-01-31" in result.output


def test_a_window_is_asked_for_in_one_way_with_a_zone(settings: Settings) -> None:
    day = ["run", "features.users", "--start", "2026-01-05"]
    naive = invoke(settings.home, *day, "--end", "2026-01-05T09:00")
    assert naive.exit_code == 2 and "has no time zone; write it as 2026-01-05T09:00Z" in " ".join(naive.output.split())
    with pytest.raises(WrongWindow, match="by both --start and --end"):
        invoke(settings.home, *day)
    with pytest.raises(WrongWindow, match="works on whole days"):
        invoke(settings.home, *day, "--end", "2026-01-05T09:00Z")


def test_an_hourly_job_is_run_for_the_hour_that_holds_an_instant_or_for_several(
    spark: SparkSession, settings: Settings, noop: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(JOBS, "sim.noop", replace(noop, every="hour"))
    at, hours = ["--date", "2026-01-05T09:30Z"], ["--start", "2026-01-05T09:00Z", "--end", "2026-01-05T12:00Z"]
    for options in (at, hours):
        assert invoke(settings.home, "run", "sim.noop", *options).exit_code == 0
    runs = succeeded_between(datetime(2026, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC), settings)
    windows = [str(run.window) for _, run in runs]
    assert windows == ["[2026-01-05T09:00, 2026-01-05T10:00)", "[2026-01-05T09:00, 2026-01-05T12:00)"]


def test_doctor_finds_what_this_machine_has(tmp_path: Path) -> None:
    result = invoke(tmp_path, "doctor", "--json")
    assert {f["what"]: f["found"] for f in json.loads(result.output)} == {
        "Python 3.11": True,
        "Java 17 or 21": True,
        "Native libraries": True,
        "Spark's jars": True,
        "Web player": True,
        "FFmpeg": True,
        "Redis": True,
        "Events": True,
        "Home": True,
        "Memory and cores": True,
    }
    assert result.exit_code == 0


def test_doctor_says_how_to_get_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELMILL_JARS", str(tmp_path))
    monkeypatch.setenv("REELMILL_EVENTS", "kafka://127.0.0.1:1/events")
    monkeypatch.setenv("REELMILL_REDIS_URL", "redis://:not-to-be-shown@127.0.0.1:1/2")
    monkeypatch.setattr(kafka, "PATIENCE_S", 0.2)
    result = invoke(tmp_path, "doctor", "--json")
    missing = {f["what"]: f["detail"] for f in json.loads(result.output) if not f["found"]}
    assert result.exit_code == 1 and set(missing) == {"Spark's jars", "Redis", "Events"}
    assert missing["Redis"].startswith("redis://127.0.0.1:1/2 (REELMILL_REDIS_URL) does not answer")
    assert "not-to-be-shown" not in result.output
    assert "Run `reelmill setup`" in missing["Spark's jars"]
    assert "Start it, or set REELMILL_EVENTS" in missing["Events"]


def test_jobs_lists_reads_writes_and_the_last_run(tmp_path: Path) -> None:
    listed = json.loads(invoke(tmp_path, "jobs", "--json").output)
    assert {
        "job": "events.watches",
        "every": "5min",
        "writes": ["silver.watches"],
        "last_status": None,
    }.items() <= next(j for j in listed if j["job"] == "events.watches").items()


def test_tables_and_query_read_what_a_run_wrote(settings: Settings, recorded_run: JobRun) -> None:
    (table,) = json.loads(invoke(settings.home, "tables", "--json").output)
    assert (table["name"], table["rows"], table["version"]) == ("ops.job_runs", 1, 1)
    assert table["bytes"] > 0 and table["path"] == str(settings.lake / "ops" / "job_runs")
    sql = "SELECT job, status FROM ops.job_runs"
    assert json.loads(invoke(settings.home, "query", sql, "--json").output) == [
        {"job": "sim.noop", "status": "succeeded"}
    ]


def test_upkeep_says_what_it_did_to_each_table_and_which_there_are(settings: Settings, recorded_run: JobRun) -> None:
    (done,) = json.loads(invoke(settings.home, "upkeep", "--json").output)
    assert (done["table"], done["files"], done["rows"], done["left"]) == ("ops.job_runs", 1, 0, None)
    assert "ops.job_runs" in invoke(settings.home, "upkeep", "ops.job_runs").output
    refused = invoke(settings.home, "upkeep", "gold.feeds").output
    assert "There is no table gold.feeds. There are: ops.job_runs." in refused


@pytest.fixture
def temporary_files_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())
    for name in ("TMPDIR", "SPARK_LAUNCHER_OPTS"):
        monkeypatch.setenv(name, os.environ.get(name, ""))


@pytest.mark.usefixtures("temporary_files_stay_here")
def test_nobody_is_forgotten_before_somebody_says_yes_and_what_was_removed_is_told(settings: Settings) -> None:
    put(settings, "gold.user_daily", {"user_id": "ann"}, {"user_id": "ben"})
    put(settings, "silver.videos", {"user_id": "ann", "video_id": "cats"})
    asked = invoke(settings.home, "forget", "ann")
    assert asked.exit_code == 1 and "1 in gold.user_daily" in asked.output
    assert "Remove ann with 1 video?" in asked.output
    assert Tables.of(settings).version("gold.user_daily") == 0
    done = json.loads(invoke(settings.home, "forget", "ann", "--yes", "--json").output)
    assert [(one["place"], one["count"]) for one in done["removed"]] == [("silver.videos", 1), ("gold.user_daily", 1)]
    no_id = invoke(settings.home, "forget", "", "--yes", "--at-once")
    assert no_id.exit_code == 1 and "Nobody was forgotten: '' is not an id" in no_id.output
    nobody = invoke(settings.home, "forget", "ann", "--yes")
    assert nobody.exit_code == 1 and "Nothing here names ann" in nobody.output


def test_a_query_on_no_table_names_the_ones_there_are(settings: Settings, recorded_run: JobRun) -> None:
    said = subprocess.run(
        [*REELMILL, "query", "SELECT * FROM gold.nothing"],
        capture_output=True,
        text=True,
        env={"REELMILL_HOME": str(settings.home), "PATH": "/usr/bin:/bin"},
    )
    assert said.returncode == 1 and "(Tables: ops.job_runs.)" in said.stderr


def test_what_people_wrote_is_shown_as_they_wrote_it_and_steers_no_terminal(settings: Settings) -> None:
    titles = "SELECT '[/b] [red]sad[/red]' AS title, chr(27) || '[2J' AS wiped"
    said = invoke(settings.home, "query", titles).output
    assert "[/b] [red]sad[/red]" in said
    assert "\x1b" not in said and "\N{REPLACEMENT CHARACTER}[2J" in said


def test_what_is_late_is_said_and_ends_the_command_with_3(settings: Settings, recorded_run: JobRun) -> None:
    said = invoke(settings.home, "late")
    assert said.exit_code == 3
    assert "gold.feeds is late and was never made (it promises 1 d). feeds.build has never run." in said.output
    found = {late["table"]: late for late in json.loads(invoke(settings.home, "late", "--json").output)}
    assert found["gold.feeds"]["first"] == "bronze.events"


def test_the_status_names_what_is_late_and_what_is_beyond_a_limit_and_what_to_do(
    settings: Settings, recorded_run: JobRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"event_date": "2026-01-18", "feature": "video__views_7d", "missing_share": 0.5}
    put(settings, "ops.feature_quality", row)
    said = invoke(settings.home, "status")
    assert said.exit_code == 3 and "gold.feeds is late" in said.output
    assert "ops.feature_quality of 2026-01-18: 1 beyond a limit.\n  video__views_7d: missing_share" in said.output
    assert "The table that it is taken from was not done when feeds were made" in said.output
    monkeypatch.setattr("jobs.engine.late.late", lambda *_: [])
    found = json.loads(invoke(settings.home, "status", "--json").output)
    assert (found["late"], [one["row"] for one in found["beyond_limits"]]) == ([], ["video__views_7d"])
    put(settings, "ops.feature_quality", {**row, "event_date": "2026-01-19", "missing_share": 0})
    well = invoke(settings.home, "status")
    assert (well.exit_code, well.output.splitlines()) == (
        0,
        ["No table is late.", "ops.feature_quality of 2026-01-19: nothing beyond a limit."],
    )
