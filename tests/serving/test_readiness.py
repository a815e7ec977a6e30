"""What /readyz says of each thing that the endpoint depends on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import httpx

Publish = Callable[[str, dict[str, list[str]]], None]


def test_a_spool_that_takes_nothing_is_named_while_feeds_go_on(
    api: httpx.Client, publish: Publish, tmp_path: Path
) -> None:
    publish("v1", {"ann": ["a"]})
    shutil.rmtree(tmp_path / "events")
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["dependencies"] == {
        "feeds": "ok",
        "events": "the spool takes no events: No such file or directory",
        "media": "ok",
    }


def test_media_that_cannot_be_read_are_named_while_feeds_go_on(
    api: httpx.Client, publish: Publish, tmp_path: Path
) -> None:
    publish("v1", {"ann": ["a"]})
    shutil.rmtree(tmp_path / "media")
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["dependencies"] == {
        "feeds": "ok",
        "events": "ok",
        "media": "the media cannot be read: No such file or directory",
    }
