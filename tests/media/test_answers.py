"""What the creator of an upload is told, and what `reelmill upload` exits with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from jobs.arrivals.landing import land
from jobs.command.cli import cli
from jobs.command.endpoint import served
from jobs.engine.lake import Lake
from jobs.engine.window import window_for
from jobs.host.address import playback_address
from jobs.media import ingest
from jobs.media.answers import answers
from serving.landing import Upload

Draw = Callable[..., Path]
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_text("no clip at all")
    return path


def handed_in(lake: Lake, clip: Path, user: str = "ann", title: str | None = None) -> Upload:
    (upload,) = land([clip], landing=lake.settings.landing, user_id=user, uploaded_at=NOON, title=title)
    ingest.run(lake, window_for("5min", NOON))
    return upload


def test_a_title_too_long_or_an_empty_user_is_set_aside_with_its_rule_until_it_is_mended(
    lake: Lake, clip: Path
) -> None:
    nobody, book = handed_in(lake, clip, user=""), handed_in(lake, clip, title="x" * 2001)
    statuses = {
        answer.upload_id: (answer.status, answer.detail.split(":")[0])
        for answer in answers([nobody, book], lake.settings)
    }
    assert statuses == {
        nobody.upload_id: ("set aside", "user_id_is_an_id"),
        book.upload_id: ("set aside", "title_is_not_a_book"),
    }
    mended = handed_in(lake, clip, title="x")
    assert [answer.status for answer in answers([mended], lake.settings)] == ["waiting"]


def test_the_command_shows_what_was_set_aside_and_exits_with_1(lake: Lake, clip: Path) -> None:
    words = ["upload", str(clip), "--title", "x" * 2001]
    done = CliRunner().invoke(cli, words, env={"REELMILL_HOME": str(lake.settings.home)}, catch_exceptions=False)
    assert done.exit_code == 1
    assert "set aside" in done.output and "title_is_not_a_book" in done.output


def test_an_upload_ends_with_an_address_that_plays_and_can_be_asked_for_at_once(lake: Lake, draw: Draw) -> None:
    with served(lake.settings) as url:
        words = ["upload", str(draw("small.mp4", size="180x320"))]
        done = CliRunner().invoke(cli, words, env={"REELMILL_HOME": str(lake.settings.home)}, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        video_id, _, _, address = done.output.splitlines()[-1].split()
        assert httpx.get(address).text.startswith("#EXTM3U")
        assert httpx.get(f"{url}/v1/videos/{video_id}").json()["playback_url"] == address.removeprefix(url)
    # While nobody serves the home, the file itself plays.
    path = address.removeprefix(f"{url}/media/")
    assert Path(playback_address(lake.settings, path).removeprefix("file://")).is_file()
