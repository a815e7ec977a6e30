"""Every command of README.md and docs/operations.md is one that there is, and does what it says without an error.

They are parsed, and then run on the tests' one night, in this process. The days of the examples are those of the demo's
world, whose newest is 2026-01-18. The night's world is shorter, and its newest day takes the place of theirs.
"""

import re
import shlex
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from jobs import pipeline
from jobs.command import orchestrators
from jobs.command.cli import cli
from jobs.engine.query import newest_whole_day
from jobs.settings import REPOSITORY, Settings

TEXT = "".join((REPOSITORY / name).read_text() for name in ("README.md", "docs/operations.md"))
PROGRAMS = ("reelmill ", "make ", "python -m ")
# These ask a running Airflow over HTTP; the last two are the body of the request.
OVER_HTTP = ("TOKEN=$(curl ", "curl -s ", '  "dag_id"', '  "reprocess_behavior"')
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

NIGHTLY = "tests/end_to_end/test_nightly.py::"
AGAIN = (
    "runs all of a night's jobs or some of them",
    NIGHTLY + "test_the_same_night_again_by_the_command_gives_the_same_tables",
)
HOURLY = (
    "takes many seconds more than what it does is tested in",
    "tests/features/test_hourly.py::"
    "test_what_comes_late_makes_its_own_hours_again_in_one_commit_and_the_same_run_again_none",
)
INTERACTIONS = (
    "brings in other files",
    "tests/imports/test_interactions.py::test_csv_with_other_separators_gzip_and_parquet_say_the_same",
)
DECIDES = (
    "changes what serves on the tests' night",
    "tests/ranking/test_serving.py::test_what_a_person_promotes_serves_from_that_night_on",
)
COMPARES = (
    "needs days on which something was compared",
    "tests/command/test_comparing.py::test_what_arms_came_to_is_told_and_drawn",
)
AIRFLOW = NIGHTLY + "test_the_nightly_dag_takes_uploads_and_watches_to_a_new_feed_in_redis"
FORGETS = (
    "changes the tests' night",
    "tests/end_to_end/test_forget.py::test_no_byte_of_a_home_names_a_viewer_or_a_creator_whom_it_forgot",
)
# What is not run here: why, and the test that runs what the command leads to.
ELSEWHERE = {
    "make test": ("runs this", "tests/policies/test_documented_commands.py::test_a_command_runs_and_prints_something"),
    "make demo": ("takes minutes", NIGHTLY + "test_every_person_is_served_a_feed_that_pages_without_repeats"),
    "make bench": ("takes many minutes and asserts nothing", "tests/bench/test_holdout_ndcg.py::"),
    "make wheel": (
        "builds for some time",
        "tests/policies/test_wheel.py::test_every_job_and_every_contract_is_in_the_wheel",
    ),
    "make airflow": ("serves until it is stopped", AIRFLOW),
    "python -m jobs.command.orchestrators airflow --port 8080": ("serves until it is stopped", AIRFLOW),
    "make docs": (
        "does what `reelmill contracts docs` does",
        "tests/command/site/test_pages.py::test_every_table_column_rule_and_job_is_told_and_can_be_searched",
    ),
    "make kafka": (
        "serves until it is stopped",
        "tests/arrivals/test_kafka.py::test_an_acknowledged_event_is_in_the_table_once_and_what_is_none_is_set_aside_with_the_reason",
    ),
    "make catalog": ("serves until it is stopped", "tests/dags/test_catalog.py::test_the_graph_loads"),
    "reelmill serve": (
        "serves until it is stopped",
        NIGHTLY + "test_every_person_is_served_a_feed_that_pages_without_repeats",
    ),
    "reelmill query": (
        "waits for a person",
        "tests/command/test_shell.py::"
        "test_a_query_goes_over_lines_to_its_semicolon_and_an_error_does_not_end_the_shell",
    ),
    "reelmill contracts check": (
        "takes seconds, of which most for the schema of the standard",
        "tests/command/test_contracts.py::"
        "test_of_good_contracts_and_a_table_that_does_not_fit_its_own_the_check_names_the_table",
    ),
    "reelmill contracts diff main data_contracts": (
        "names a revision that a checkout need not have",
        "tests/command/test_contracts.py::test_a_revision_of_git_is_compared_with_a_folder",
    ),
    "reelmill upload clips/ --user ann --hashtag cats": (
        "makes clips",
        "tests/media/test_answers.py::test_an_upload_ends_with_an_address_that_plays_and_can_be_asked_for_at_once",
    ),
    "reelmill run features.users --date 2026-01-18": (
        "does what the one for a range does, for one day",
        "tests/command/test_cli.py::test_an_hourly_job_is_run_for_the_hour_that_holds_an_instant_or_for_several",
    ),
    "reelmill models promote item_item_order --why '...'": DECIDES,
    "reelmill models rollback --why '...'": DECIDES,
    "reelmill models rebuild 20260118-0123456789ab": (
        "names a model that the tests' night does not have",
        "tests/end_to_end/test_night.py::"
        "test_a_model_comes_out_again_with_the_same_bytes_and_a_lost_file_is_written_again",
    ),
    "reelmill policy diff mine.yml": (
        "reads a file of a person's own",
        "tests/end_to_end/test_night.py::test_of_two_policies_it_is_said_what_differs_and_for_how_many_viewers",
    ),
    "reelmill arms show": COMPARES,
    "reelmill arms show --page arms.html": COMPARES,
    "reelmill pipeline ingest": AGAIN,
    "reelmill pipeline hourly": HOURLY,
    "reelmill pipeline hourly --date 2026-01-18T09:00Z": HOURLY,
    "reelmill pipeline daily": AGAIN,
    "reelmill pipeline nightly": AGAIN,
    "reelmill pipeline nightly --date 2026-01-18": AGAIN,
    "reelmill import interactions log.csv.gz --map user_id=uid,video_id=vid,event_at=ts,watch_ms=ms": INTERACTIONS,
    "reelmill import interactions log-1.csv.gz log-2.parquet "
    "--map user_id=uid,video_id=id,event_at=ts,watch_ms=played,like=liked": INTERACTIONS,
    "reelmill import catalogue videos.csv "
    "--map video_id=id,title=caption,user_id=author,hashtags=tags,published_at=created": (
        "brings in other files",
        "tests/imports/test_catalogue.py::test_a_row_is_an_upload_with_what_its_columns_say",
    ),
    "reelmill late": (
        "ends with 3 where a table is late, as on a night that is some minutes old",
        "tests/command/test_cli.py::test_what_is_late_is_said_and_ends_the_command_with_3",
    ),
    "reelmill status": (
        "ends with 3 where something needs a person, as late does",
        "tests/command/test_cli.py::test_the_status_names_what_is_late_and_what_is_beyond_a_limit_and_what_to_do",
    ),
    "reelmill forget ann": FORGETS,
    "reelmill forget viewer-0000": FORGETS,
    "reelmill forget viewer-0000 --yes --at-once": FORGETS,
    "reelmill doctor": ("looks at the machine", "tests/command/test_cli.py::test_doctor_finds_what_this_machine_has"),
}


def lines() -> list[str]:
    """The lines of fenced blocks that a shell would read, a continued one as one line."""
    found = "".join(body for language, body in FENCED.findall(TEXT) if language in ("", "sh", "bash")).replace(
        "\\\n", " "
    )
    return [line for line in found.splitlines() if line.strip() and not line.startswith(OVER_HTTP)]


def in_line() -> list[str]:
    """What stands between backticks in the prose, is a command and has a word after the program."""
    prose = FENCED.sub("", TEXT)
    return [code for code in re.findall(r"`([^`\n]+)`", prose) if code.startswith(PROGRAMS)]


def parse(command: click.Command, words: list[str]) -> dict[str, object]:
    """The parameters of the innermost command. Raises click.UsageError for one that it does not have."""
    while isinstance(command, click.Group) and words:
        name, *words = words
        found = command.get_command(click.Context(command), name)
        if found is None:
            raise click.UsageError(f"{command.name} has no command {name}")
        command = found
    return command.make_context(command.name, words).params


def check(words: list[str]) -> None:
    match words:
        case ["reelmill", *rest]:
            if job := parse(cli, rest).get("job"):
                assert job in pipeline.JOBS
        case ["make", target]:
            assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
        case ["python", "-m", "jobs.command.orchestrators", *rest]:
            parse(orchestrators.main, rest)
        case _:
            pytest.fail(f"{shlex.join(words)}: say here how to check it")


@pytest.fixture
def beside_what_they_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "ml-latest-small").mkdir()
    for name, text in {
        "movies": "movieId,title,genres\n1,Toy Story (1995),Animation\n",
        "ratings": "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n",
        "tags": "userId,movieId,tag,timestamp\n1,1,pixar,964982704\n",
    }.items():
        (tmp_path / "ml-latest-small" / f"{name}.csv").write_text(text)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("line", dict.fromkeys(lines()))
def test_a_command_of_a_block_is_one_that_there_is(line: str, beside_what_they_read: None) -> None:
    check(shlex.split(line, comments=True))


@pytest.mark.parametrize("line", dict.fromkeys(in_line()))
def test_a_command_in_the_prose_is_one_that_there_is(line: str, beside_what_they_read: None) -> None:
    with suppress(click.MissingParameter):  # prose may name a command without what it takes: `reelmill run`
        check(shlex.split(line))


def test_the_documents_give_commands_in_blocks_and_in_the_prose() -> None:
    assert len(lines()) > 12 and len(in_line()) > 5


@pytest.mark.parametrize("line", ["reelmill jobs --yaml", "reelmill feeds undo", "reelmill pipeline weekly"])
def test_a_command_or_an_option_that_is_not_there_fails(line: str) -> None:
    with pytest.raises(click.UsageError):
        check(shlex.split(line))


def documented() -> dict[str, list[str]]:
    """The words of every command, by its line without a comment; without those that the prose only names."""
    found = {line.partition("  #")[0].strip(): shlex.split(line, comments=True) for line in (*lines(), *in_line())}
    return {line: words for line, words in found.items() if line not in ("reelmill run", "reelmill pipeline")}


def on_this_night(words: list[str], newest: date) -> list[str]:
    """A command of the documents with the days of the night's world."""
    days = {"2026-01-17": newest, "2026-01-18": newest, "2026-01-19": newest + timedelta(days=1)}
    for written, day in days.items():
        words = [word.replace(written, str(day)) for word in words]
    return words


@pytest.mark.usefixtures("spark", "beside_what_they_read")
@pytest.mark.parametrize("line", [line for line in documented() if line not in ELSEWHERE])
def test_a_command_runs_and_prints_something(line: str, night: Path, tmp_path: Path) -> None:
    program, *words = on_this_night(documented()[line], newest_whole_day(Settings(home=night)))
    assert program == "reelmill"
    # What comes in from outside would change what the night says.
    home = tmp_path / "home" if words[0] == "import" else night
    done = CliRunner().invoke(cli, words, env={"REELMILL_HOME": str(home)}, catch_exceptions=False)
    assert done.exit_code == 0 and done.output.strip(), done.output


def test_what_is_not_run_here_is_documented_and_has_a_test_that_there_is() -> None:
    assert set(ELSEWHERE) <= set(documented())
    for _, test in ELSEWHERE.values():
        file, _, name = test.partition("::")
        assert f"def {name}" in (REPOSITORY / file).read_text()
