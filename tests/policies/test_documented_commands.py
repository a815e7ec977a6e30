"""Every command of README.md and docs/operations.md is one that there is, with options that it has.

They are parsed and not run: what they do is tested where it is done.
"""

import re
import shlex
from contextlib import suppress
from pathlib import Path

import click
import pytest

from jobs import pipeline
from jobs.command import orchestrators
from jobs.command.cli import cli
from jobs.settings import REPOSITORY

TEXT = "".join((REPOSITORY / name).read_text() for name in ("README.md", "docs/operations.md"))
PROGRAMS = ("reelmill ", "make ", "python -m ")
# These ask a running Airflow over HTTP; the last two are the body of the request.
OVER_HTTP = ("TOKEN=$(curl ", "curl -s ", '  "dag_id"', '  "reprocess_behavior"')
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


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
        with command.make_context(command.name, words) as context:
            name, found, words = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None, name
        command = found
    with command.make_context(command.name, words) as context:
        return dict(context.params)


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
    for folder in ("clips", "ml-latest-small"):
        (tmp_path / folder).mkdir()
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
