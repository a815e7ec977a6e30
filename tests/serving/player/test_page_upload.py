"""Uploading in a real browser: a clip goes up, through a lost connection and a reload, and is published or refused.

With PICTURES set, a picture for docs/player.md is made on the way.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import redis

from jobs.command.endpoint import served
from jobs.engine.lake import Lake
from jobs.engine.window import window_for
from jobs.media import ingest, publish
from jobs.media.refusals import Reason
from jobs.sim.clips import Clip, draw
from serving.feed_store import outcomes
from tests.chromium import Chromium
from tests.serving.player.conftest import SIZE
from tests.serving.player.person import Person
from tests.steps import wait

pytestmark = pytest.mark.browser

FILE, SEND = "#upload [data-part=file]", "#upload form button"
STATUS = "return document.querySelector('#upload [data-part=status]').innerText"
SLOWLY = {"offline": False, "latency": 5, "downloadThroughput": -1, "uploadThroughput": 1_500_000}


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Large enough to be interrupted, and no clip at all."""
    path = tmp_path / "cat.mp4"
    path.write_bytes(os.urandom(3_000_000))
    return path


def test_a_clip_that_somebody_uploads_is_published_and_plays(lake: Lake, window: Chromium, tmp_path: Path) -> None:
    clip = tmp_path / "sky.mp4"
    draw(Clip(31, 5, 31 * 47 % 360, 1, 1000, SIZE, 0), clip)
    with served(lake.settings) as url:
        person = Person(window, url)
        person.open("/?viewer=ann#upload")
        window.type(FILE, str(clip))
        window.type("#upload-name", "A slow sky")
        window.type("#upload-tags", "#Sky, slow")
        person.picture("player-upload", tmp_path)
        window.click(SEND)
        window.see("It waits to be published")
        at = window_for("5min", datetime.now(UTC))
        ingest.run(lake, at)
        publish.run(lake, at)
        window.see("Published: everybody can watch it")
        (video,) = lake.read("silver.videos").collect()
        assert (video.title, video.hashtags, video.user_id) == ("A slow sky", ["sky", "slow"], "ann")
        window.click("#upload [data-part=watch]")
        person.sees(video.video_id, played=0.1)
        person.leave()


def test_an_upload_goes_on_after_a_lost_connection_and_after_a_reload_and_is_told_why_it_is_refused(
    window: Chromium, api: httpx.Client, server_url: str, file: Path, landing: Path
) -> None:
    person = Person(window, str(api.base_url))
    person.open("/?viewer=ann#upload")
    window.tool("Network.enable")
    window.tool("Network.emulateNetworkConditions", **SLOWLY)
    window.type(FILE, str(file))
    window.click(SEND)
    window.wait(f"return (() => {{{STATUS}}})().match(/^[1-9]\\d?% is here/)")
    window.tool("Network.emulateNetworkConditions", **SLOWLY | {"offline": True})
    window.see("It goes on by itself")
    window.tool("Network.emulateNetworkConditions", **SLOWLY)
    window.wait(f"return (() => {{{STATUS}}})().match(/^[1-9]\\d?% is here/)")
    person.come_back("/#upload")
    window.see("Choose it again to go on")
    window.tool("Network.emulateNetworkConditions", **SLOWLY | {"uploadThroughput": -1})
    window.type(FILE, str(file))
    window.see("It waits to be published")
    (upload,) = [json.loads(manifest.read_text()) for manifest in landing.glob("manifests/[!.]*")]
    assert (landing / upload["media_file"]).read_bytes() == file.read_bytes()
    with redis.Redis.from_url(server_url) as client:
        outcomes.write_refused(client, {upload["upload_id"]: f"{Reason.NOT_MEDIA}: no known video container"})
    window.see("This is not a video. (no known video container)")
    window.click("#upload [data-part=another]")
    window.click(SEND)
    window.see("Choose a clip first.")
    person.console()  # it complained of the connection
    person.leave()


def test_who_thinks_better_of_it_stops_and_what_the_endpoint_refuses_is_told_in_words(
    window: Chromium, api: httpx.Client, file: Path, landing: Path
) -> None:
    person = Person(window, str(api.base_url))
    person.open("/?viewer=ann#upload")
    window.tool("Network.enable")
    window.tool("Network.emulateNetworkConditions", **SLOWLY | {"latency": 600})
    window.type(FILE, str(file))
    window.click(SEND)
    window.click("#upload [data-part=stop]:not([hidden])")  # before it has an address
    time.sleep(1)
    assert window.run("return JSON.parse(localStorage.getItem('reelmill:upload'))") is None
    window.tool("Network.emulateNetworkConditions", **SLOWLY | {"uploadThroughput": 300_000})
    window.type(FILE, str(file))
    window.click(SEND)
    window.click("#upload [data-part=stop]:not([hidden])")
    window.tool("Network.emulateNetworkConditions", **SLOWLY | {"uploadThroughput": -1})
    window.wait("return !document.querySelector('#upload form').hidden")
    picture = file.with_suffix(".png")
    picture.write_bytes(b"no clip")
    window.type(FILE, str(picture))
    window.click(SEND)
    window.see("a file of the type 'image/png' is not taken")
    assert [message for message in person.console() if "415" not in message and "423" not in message] == []
    wait(lambda: not list(landing.glob("incoming/*/*/part")))
    person.leave()
