"""Uploads by tus over real HTTP: what was sent is kept through kills, and lands once when it is whole."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from jobs.arrivals.landing import land
from jobs.host.ports import free_port
from jobs.settings import Settings
from serving import incoming, room, uploads
from serving.app import create_app
from serving.feed_store import outcomes
from serving.incoming import EXPIRES, KEPT, Incoming, Note, UploadBusy, UploadOver, UploadUnknown, folder_of
from serving.landing import write_whole
from serving.limits import Limits
from tests.serving.conftest import over_http
from tests.serving.tus import CLIP, TUS, begin, begun, connected, lines, metadata, offset, send
from tests.steps import wait

if TYPE_CHECKING:
    from serving.feed_store.writer import FeedStore

# Blocks of it are written while it comes.
LARGE = CLIP * 200
NOTE = Note("ann", "T", (), "a.mp4", "", len(CLIP))
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


def test_a_clip_that_comes_in_two_parts_lands_whole_with_what_its_creator_stated(
    api: httpx.Client, landing: Path
) -> None:
    created = begin(api, title="A cat", hashtags="cats, funny")
    assert created.status_code == 201 and created.headers["upload-expires"].endswith("GMT")
    address = created.headers["location"]
    assert send(api, address, CLIP[:4000], 0).headers["upload-offset"] == "4000"
    assert api.get(address).json()["status"] == "receiving"
    head = api.head(address, headers=TUS)
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == ("4000", str(len(CLIP)))
    assert head.headers["cache-control"] == "no-store"
    assert send(api, address, CLIP[4000:], 4000).status_code == 204
    (line,) = lines(landing)
    assert (landing / line["media_file"]).read_bytes() == CLIP
    assert line["media_file"] == f"files/{line['upload_id']}.mp4"
    assert (line["user_id"], line["title"], line["hashtags"]) == ("ann", "A cat", ["cats", "funny"])
    assert (line["source"], line["bytes"]) == ("api", len(CLIP))
    became = api.get(address).json()
    assert (became["status"], became["video_id"], became["expires_at"]) == ("waiting", line["upload_id"], None)
    assert api.delete(address, headers=TUS).status_code == 409
    assert send(api, address, b"", len(CLIP)).status_code == 204
    assert send(api, address, b"more", len(CLIP)).status_code == 413
    assert offset(api, address) == len(CLIP)


def test_the_same_bytes_of_one_person_are_one_video_by_the_command_too_and_without_a_title_the_name_is_it(
    api: httpx.Client, landing: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        assert send(api, begun(api), CLIP, 0).status_code == 204
    (tmp_path / "My cat.mp4").write_bytes(CLIP)
    land([tmp_path / "My cat.mp4"], landing=landing, user_id="ann", uploaded_at=NOW)
    assert len({line["upload_id"] for line in lines(landing)}) == 1
    assert {line["title"] for line in lines(landing)} == {"My cat"}


def test_its_creator_is_told_what_a_job_makes_of_it(api: httpx.Client, store: FeedStore, server_url: str) -> None:
    address = begun(api)
    send(api, address, CLIP, 0)
    video_id = api.get(address).json()["video_id"]
    with redis.Redis.from_url(server_url) as client:
        outcomes.write_processing(client, [video_id])
        assert api.get(address).json()["status"] == "processing"
        outcomes.write_refused(client, {video_id: "too_long: 363 s, limit 180 s"})
        refused = api.get(address).json()
        assert (refused["status"], refused["reason"], refused["detail"]) == (
            "refused", "too_long", "363 s, limit 180 s",
        )  # fmt: skip
        store.write_videos([({"video_id": video_id, "playback_url": "/media/a/master.m3u8"}, NOW.date())])
        published = api.get(address).json()
        assert (published["status"], published["playback_url"]) == ("published", "/media/a/master.m3u8")
        assert outcomes.forget(client, [video_id]) == 1


REFUSED = [
    ({"Tus-Resumable": "0.2.2"}, 412, "other-version"),
    ({"Upload-Length": "-1"}, 400, "header-invalid"),
    ({"Upload-Length": "0"}, 400, "header-invalid"),
    ({"Upload-Length": str(11 << 20)}, 413, "upload-too-large"),
    ({"Upload-Metadata": "user_id"}, 422, "invalid-request"),
    ({"Upload-Metadata": "user_id !!"}, 400, "metadata-invalid"),
    ({"Upload-Metadata": "user_id YQ==,user_id YQ=="}, 400, "metadata-invalid"),
    ({"Upload-Metadata": metadata(user_id="a/b")}, 422, "invalid-request"),
    ({"Upload-Metadata": metadata(user_id="ann", title="x" * 2001)}, 422, "invalid-request"),
    ({"Upload-Metadata": metadata(user_id="ann", hashtags="x " * 1001)}, 422, "invalid-request"),
    ({"Upload-Metadata": metadata(user_id="ann", filetype="image/png")}, 415, "type-not-taken"),
    ({"Upload-Metadata": metadata(user_id="ann", title="x" * 20_000)}, 400, "metadata-invalid"),
]


def test_what_cannot_become_a_clip_is_refused_before_it_is_sent(limited: httpx.Client) -> None:
    good = TUS | {"Upload-Length": "10", "Upload-Metadata": metadata(user_id="ann", filetype="video/mp4")}
    assert limited.post("/v1/uploads", headers=good).status_code == 201
    answers = [limited.post("/v1/uploads", headers=good | headers) for headers, _, _ in REFUSED]
    assert [(answer.status_code, answer.json()["type"].rpartition(":")[2]) for answer in answers] == [
        (status, kind) for _, status, kind in REFUSED
    ]
    assert {answer.headers["tus-resumable"] for answer in answers} == {"1.0.0"}
    abilities = limited.options("/v1/uploads").headers
    assert (abilities["tus-max-size"], abilities["tus-extension"]) == (str(10 << 20), uploads.EXTENSIONS)


def test_what_does_not_belong_at_the_end_is_refused_and_changes_nothing(api: httpx.Client, landing: Path) -> None:
    address = begun(api)
    send(api, address, CLIP[:100], 0)
    assert send(api, address, CLIP, 0).headers["upload-offset"] == "100"
    refusals = {
        "offset": send(api, address, CLIP[:10], 0).status_code,
        "type": send(api, address, CLIP[100:], 100, **{"Content-Type": "video/mp4"}).status_code,
        "number": send(api, address, CLIP[100:], 100, **{"Upload-Offset": "1e2"}).status_code,
        "version": api.head(address).status_code,
        "too much": send(api, address, CLIP, 100).status_code,
        "nobody's": send(api, "/v1/uploads/" + "0" * 48, CLIP, 0).status_code,
        "no name": send(api, "/v1/uploads/..%2f..", CLIP, 0).status_code,
        "no method": api.post(address, headers=TUS).status_code,
    }
    assert refusals == {
        "offset": 409, "type": 415, "number": 400, "version": 412, "too much": 413, "nobody's": 404, "no name": 404,
        "no method": 405,
    }  # fmt: skip
    assert offset(api, address) == 100 and lines(landing) == []
    instead = TUS | {"X-HTTP-Method-Override": "PATCH", "Content-Type": "application/offset+octet-stream"}
    assert api.post(address, content=CLIP[100:], headers=instead | {"Upload-Offset": "100"}).status_code == 204
    assert len(lines(landing)) == 1


def test_what_came_before_the_connection_was_lost_is_kept(api: httpx.Client, landing: Path) -> None:
    address = begun(api, length=len(LARGE))
    with connected(api, address, LARGE[:1_500_000], length=len(LARGE)):
        wait(lambda: offset(api, address) > 0)
    wait(lambda: send(api, address, b"", at=offset(api, address)).status_code == 204)
    here = offset(api, address)
    assert 1 << 20 <= here <= 1_500_000
    assert send(api, address, LARGE[here:], here).status_code == 204
    (line,) = lines(landing)
    assert (landing / line["media_file"]).read_bytes() == LARGE


def test_one_request_at_a_time_writes_and_one_that_falls_silent_keeps_nobody_out(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "IDLE_S", 1.0)
    address = begun(api, length=len(LARGE))
    with connected(api, address, LARGE[:1_500_000], length=len(LARGE)) as silent:
        wait(lambda: offset(api, address) > 0)
        assert send(api, address, b"", offset(api, address)).status_code == 423
        assert api.delete(address, headers=TUS).status_code == 423
        assert silent.recv(1000).startswith(b"HTTP/1.1 408")
    assert offset(api, address) == 1_500_000
    assert send(api, address, LARGE[1_500_000:], 1_500_000).status_code == 204


def test_a_person_has_so_many_at_once_and_a_day_and_others_are_not_kept_from_theirs(limited: httpx.Client) -> None:
    first, second = begun(limited), begun(limited)
    full = begin(limited)
    assert (full.status_code, full.json()["type"]) == (429, "urn:reelmill:problem:too-many-uploads")
    assert int(full.headers["retry-after"]) > 0
    assert begin(limited, user_id="bob").status_code == 201
    assert limited.delete(first, headers=TUS).status_code == 204
    assert limited.get(first).status_code == limited.head(first, headers=TUS).status_code == 410
    send(limited, second, CLIP, 0)
    assert begin(limited).status_code == 201
    spent = begin(limited)
    assert spent.status_code == 429 and int(spent.headers["retry-after"]) > 86_000


def test_an_upload_that_comes_no_further_expires_and_is_let_go(landing: Path) -> None:
    ours = Incoming(landing, Limits(at_once=1))
    now = datetime.now(UTC)
    name = ours.begin(NOTE, now)
    with ours.writing(name, now) as part:
        part.append(CLIP[:10])
    with pytest.raises(UploadOver):
        ours.progress(name, now + EXPIRES + timedelta(minutes=1))
    ours.sweep(now + timedelta(hours=1))
    assert ours.progress(name, now).received == 10
    ours.sweep(now + EXPIRES + timedelta(minutes=1))
    with pytest.raises(UploadOver):
        ours.progress(name, now)
    assert ours.begin(NOTE, now)
    ours.sweep(now + KEPT + timedelta(minutes=1))
    with pytest.raises(UploadUnknown):
        ours.progress(name, now)
    assert list(landing.glob("incoming/*")) == []


def test_tidying_goes_past_what_is_not_ours_and_what_cannot_be_read(landing: Path) -> None:
    ours = Incoming(landing, Limits())
    names = [ours.begin(replace(NOTE, user_id=who), NOW) for who in ("ann", "bob", "eve")]
    folders = sorted(landing.glob("incoming/*/*"))
    (folders[0] / "note").write_text("no note of ours")
    theirs = landing / "incoming" / "lost+found" / "#1"
    theirs.mkdir(parents=True)
    ours.sweep(datetime.now(UTC) + EXPIRES + timedelta(minutes=1))
    assert theirs.exists()
    assert [(folder / "part").exists() for folder in folders] == [True, False, False], names


def test_a_person_who_is_forgotten_while_something_comes_of_them_leaves_nothing(
    api: httpx.Client, landing: Path
) -> None:
    address = begun(api, length=len(LARGE))
    with connected(api, address, LARGE[:1_500_000], length=len(LARGE)) as writing:
        wait(lambda: offset(api, address) > 0)
        shutil.rmtree(folder_of(landing, "ann"))
        writing.sendall(LARGE[1_500_000:])
        assert writing.recv(1000).startswith(b"HTTP/1.1 404")
    assert [path for path in landing.rglob("*") if path.is_file()] == []


def test_a_full_disk_takes_nothing_more_and_keeps_what_came(
    api: httpx.Client, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, whole = begun(api), begun(api)
    send(api, address, CLIP[:100], 0)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(incoming, "write_whole", full)
        answers = [begin(api), send(api, whole, CLIP, 0), api.get(whole)]
        patch.setattr(os, "write", full)
        answers.append(send(api, address, CLIP[100:], 100))
        assert [answer.json()["type"].rpartition(":")[2] for answer in answers] == ["landing-full"] * 4
        assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers} == {(507, "60")}
        assert api.head(whole, headers=TUS).status_code == 507
    assert offset(api, whole) == len(CLIP) and len(lines(landing)) == 1
    assert send(api, address, CLIP[100:], offset(api, address)).status_code == 204


def test_uploads_stop_while_there_is_room_for_events_and_go_on_when_there_is_room_again(
    api: httpx.Client, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = begun(api)
    send(api, address, CLIP[:100], 0)
    disk = os.statvfs(landing)
    with monkeypatch.context() as patch:
        patch.setattr(room, "UPLOADS_LEAVE", disk.f_blocks * disk.f_frsize)
        answers = [begin(api), send(api, address, CLIP[100:], 100)]
        assert [answer.json()["type"].rpartition(":")[2] for answer in answers] == ["landing-full"] * 2
        assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers} == {(507, "60")}
        event = {"user_id": "ann", "video_id": "a", "event_type": "like", "event_at": "2026-01-01T00:00:00Z"}
        assert api.post("/v1/events", json=event).status_code == 202
        patch.setattr(room, "EVENTS_LEAVE", disk.f_blocks * disk.f_frsize)
        refused = api.post("/v1/events", json=event)
        assert (refused.status_code, refused.headers["retry-after"]) == (507, "30")
        assert "spool" in refused.json()["type"] and "MiB are free" in str(api.get("/readyz").json())
    assert send(api, address, CLIP[100:], offset(api, address)).status_code == 204


def test_events_are_taken_while_all_uploads_wait_for_the_disk(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = threading.Event()

    def slow(*_: object) -> str:
        ready.wait(10)
        raise UploadUnknown

    monkeypatch.setattr(Incoming, "begin", slow)
    with ThreadPoolExecutor(40) as many:
        waiting = [many.submit(begin, api) for _ in range(40)]
        event = {"user_id": "ann", "video_id": "a", "event_type": "like", "event_at": "2026-01-01T00:00:00Z"}
        try:
            assert httpx.post(f"{api.base_url}/v1/events", json=event, timeout=3).status_code == 202
            assert not any(upload.done() for upload in waiting)
        finally:
            ready.set()


def test_what_came_before_the_endpoint_was_stopped_is_kept(landing: Path) -> None:
    ours = Incoming(landing, Limits())
    name = ours.begin(NOTE, NOW)

    async def come() -> Message:
        if offers:
            return {"type": "http.request", "body": offers.pop(), "more_body": True}
        await asyncio.sleep(10)
        raise AssertionError

    async def stop() -> None:
        async with uploads._writing(ours, name) as part:
            taking = asyncio.create_task(uploads._take(Request({"type": "http"}, come), part))
            await asyncio.sleep(0.1)
            taking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await taking

    offers = [CLIP[:100]]
    asyncio.run(stop())
    assert ours.progress(name, NOW).received == 100


def test_who_is_stopped_while_the_disk_works_lets_nobody_else_write_before_it_is_done(landing: Path) -> None:
    ours, ready = Incoming(landing, Limits()), threading.Event()
    name = ours.begin(NOTE, NOW)

    async def write() -> None:
        async with uploads._writing(ours, name):
            await uploads._on_disk(lambda _: ready.wait(10))

    async def stop() -> None:
        writing = asyncio.create_task(write())
        await asyncio.sleep(0.1)
        writing.cancel()
        await asyncio.sleep(0.1)
        with pytest.raises(UploadBusy):
            ours.end(name, NOW)
        ready.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
        ours.end(name, NOW)

    asyncio.run(stop())


STEPS = ("the note says as what", "the part is moved", "the line is handed over", "the note says that it was")


@pytest.mark.parametrize("step", range(1, len(STEPS)), ids=STEPS[:-1])
def test_an_upload_that_was_killed_while_it_landed_lands_once_when_somebody_asks_or_an_endpoint_starts(
    landing: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Incoming(landing, Limits())
    name = ours.begin(NOTE, NOW)
    left = step

    def whole(path: Path, content: bytes) -> None:
        take_a_step()
        write_whole(path, content)

    def moved(path: Path, to: Path) -> Path:
        if path.name == "part":
            take_a_step()
        return rename(path, to)

    def take_a_step() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise InterruptedError

    rename = Path.replace
    with monkeypatch.context() as patch:
        patch.setattr(incoming, "write_whole", whole)
        patch.setattr(Path, "replace", moved)
        with pytest.raises(InterruptedError), ours.writing(name, NOW) as part:
            part.append(CLIP)
            part.keep(NOW)
    later = NOW + timedelta(minutes=5)
    other = Incoming(landing, Limits())
    other.sweep(later)
    assert other.progress(name, later).note.has_landed
    (line,) = lines(landing)
    assert (landing / line["media_file"]).read_bytes() == CLIP
    assert [path.name for path in (landing / "files").iterdir()] == [f"{line['upload_id']}.mp4"]


@pytest.mark.slow
def test_nothing_that_was_acknowledged_is_lost_when_the_endpoint_is_killed(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    home, port = tmp_path / "home", free_port()
    with start(home, "serve", "--port", str(port)) as process, httpx.Client(base_url=f"http://127.0.0.1:{port}") as api:
        assert process.stdout is not None and "Reelmill serves" in process.stdout.readline()
        address = begun(api, length=len(LARGE))
        send(api, address, LARGE[:1000], 0)
        with connected(api, address, LARGE[1000:1_500_000], at=1000, length=len(LARGE)):
            wait(lambda: offset(api, address) > 1_000_000)
            process.kill()
    with start(home, "serve", "--port", str(port)) as process, httpx.Client(base_url=f"http://127.0.0.1:{port}") as api:
        assert process.stdout is not None and "Reelmill serves" in process.stdout.readline()
        here = offset(api, address)
        assert 1_000_000 < here <= 1_500_000
        assert send(api, address, LARGE[here:], here).status_code == 204
        process.terminate()
    landing = Settings(home=home).landing
    (line,) = lines(landing)
    assert (landing / line["media_file"]).read_bytes() == LARGE


@pytest.mark.slow
@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_header_breaks_a_route_or_lets_anything_land(api: httpx.Client, landing: Path, data: st.DataObject) -> None:
    # As much as a client may send at all.
    words = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_categories=["Cc"]), max_size=40).map(
        str.strip
    )
    numbers = st.integers(-2, 1 << 70).map(str)
    headers = {
        name.encode(): data.draw(words | numbers | st.just(usual)).encode("latin-1")
        for name, usual in (
            ("Tus-Resumable", "1.0.0"),
            ("Upload-Length", "10"),
            ("Upload-Offset", "0"),
            ("Upload-Metadata", metadata(user_id="fuzz")),
            ("Content-Type", "application/offset+octet-stream"),
            ("X-HTTP-Method-Override", "PATCH"),
            ("Upload-Defer-Length", "1"),
        )
        if data.draw(st.booleans())
    }
    word = quote(data.draw(words), safe="")
    path = data.draw(st.sampled_from(["begun", "/v1/uploads", f"/v1/uploads/{word}"]))
    path = begun(api, user_id=uuid.uuid4().hex) if path == "begun" else path
    answer = api.request(data.draw(st.sampled_from(["POST", "PATCH", "HEAD", "DELETE", "GET"])), path, headers=headers)
    assert answer.status_code < 500, answer.text
    assert lines(landing) == []


@pytest.fixture
def limited(server_url: str, tmp_path: Path, landing: Path) -> Iterator[httpx.Client]:
    limits = Limits(max_bytes=10 << 20, at_once=2, a_day=3)
    app = create_app(
        redis_url=server_url, media=tmp_path / "media", events=tmp_path / "events", landing=landing, secret="a secret",
        limits=limits,
    )  # fmt: skip
    with over_http(app) as client:
        yield client
