"""The service as operators and players see it: probes, problems, metrics, documentation, media."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

Serve = Callable[..., AbstractContextManager[httpx.Client]]
Publish = Callable[[str, dict[str, list[str]]], None]


@pytest.fixture
def api_without_redis(serve: Serve) -> Iterator[httpx.Client]:
    with serve("redis://127.0.0.1:1/0") as client:
        yield client


def test_it_is_ready_once_a_version_is_published_and_alive_before(api: httpx.Client, publish: Publish) -> None:
    assert api.get("/livez").status_code == 200
    assert api.get("/readyz").status_code == 503
    publish("v1", {"ann": ["a"]})
    ready = {"status": "ready", "feed_version": "v1", "is_stale": False}
    assert api.get("/readyz").json() == ready | {"dependencies": {"feeds": "ok", "events": "ok", "media": "ok"}}


def test_without_redis_it_is_alive_not_ready_and_says_why(api_without_redis: httpx.Client) -> None:
    assert api_without_redis.get("/livez").status_code == 200
    for path in ("/readyz", "/v1/feed/ann", "/v1/videos/a"):
        answer = api_without_redis.get(path)
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:reelmill:problem:store-unreachable"
        assert answer.headers["retry-after"] == "1"
    dependencies = {"feeds": "the feed store does not answer; try again", "events": "ok", "media": "ok"}
    assert api_without_redis.get("/readyz").json()["dependencies"] == dependencies


def test_without_redis_events_are_still_taken(api_without_redis: httpx.Client) -> None:
    event = {"user_id": "ann", "video_id": "a", "event_type": "like", "event_at": "2026-01-01T00:00:00Z"}
    assert api_without_redis.post("/v1/events", json=event).status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/", 405),
        ("GET", "/player/nope.js", 404),
        ("GET", "/v1/feed/ann/", 404),
        ("GET", "/v1/feed", 404),
        ("DELETE", "/v1/feed/ann", 405),
        ("GET", "/v1/events", 405),
        ("POST", "/media/a.mp4", 405),
        ("GET", "/media/nope.mp4", 404),
        ("GET", "/v1/feed/" + "x" * 129, 422),
    ],
)
def test_every_error_is_a_problem(api: httpx.Client, method: str, path: str, status: int) -> None:
    answer = api.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["instance"] == path
    assert problem["title"] and problem["detail"] and problem["type"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/feed/ann", "GET, HEAD"),
        ("/v1/videos/a", "DELETE, GET, HEAD"),
        ("/v1/events", "POST"),
        ("/v1/uploads", "OPTIONS, POST"),
        ("/media/a.mp4", "GET, HEAD"),
        ("/", "GET, HEAD"),
    ],
)
def test_who_asks_by_another_method_is_told_all_that_there_are(api: httpx.Client, path: str, methods: str) -> None:
    assert api.put(path).headers["allow"] == methods


def test_an_error_of_ours_is_a_problem_that_tells_a_stranger_nothing(api: httpx.Client, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "events")
    (tmp_path / "events").touch()  # something that no code expects
    answer = api.get("/metrics")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "rejected" not in answer.text


def test_metrics_count_requests_by_route_and_never_by_id(api: httpx.Client, publish: Publish, tmp_path: Path) -> None:
    publish("v1", {"ann": ["a"]})
    api.get("/v1/feed/ann")
    api.get("/v1/feed/bob")
    api.get("/nowhere")
    event = {"user_id": "ann", "video_id": "a", "event_type": "like", "event_at": "2026-01-01T00:00:00Z"}
    api.post("/v1/events", json=[event, {}])
    (tmp_path / "events" / "waiting.jsonl").write_text("{}\n")
    text = api.get("/metrics").text
    assert (
        'reelmill_request_seconds_count{method="GET",route="/v1/feed/{user_id}",status="200"} 2.0' in text.splitlines()
    )
    assert 'reelmill_request_seconds_count{method="GET",route="none",status="404"} 1.0' in text.splitlines()
    assert 'reelmill_events_total{outcome="accepted"} 1.0' in text.splitlines()
    assert 'reelmill_events_total{outcome="rejected"} 1.0' in text.splitlines()
    assert "reelmill_spool_files 1.0" in text.splitlines()
    assert "reelmill_spool_bytes 3.0" in text.splitlines()
    assert "ann" not in text


def test_the_documentation_describes_every_route_and_its_problems(api: httpx.Client) -> None:
    assert api.get("/docs").status_code == 200
    paths = api.get("/openapi.json").json()["paths"]
    assert {"/v1/feed/{user_id}", "/v1/videos/{video_id}", "/v1/events", "/livez", "/readyz"} <= set(paths)
    feed = paths["/v1/feed/{user_id}"]["get"]
    assert {"200", "400", "410", "422", "503"} <= set(feed["responses"])
    assert "application/problem+json" in feed["responses"]["422"]["content"]


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_documentation_needs_nothing_from_the_internet(api: httpx.Client, page: str) -> None:
    wanted = re.findall(r'(?:src|href)="([^"]+)"', api.get(page).text)
    assert any(address.endswith(".js") for address in wanted)
    for address in wanted:
        assert address.startswith("/"), f"{page} fetches {address}"
        assert api.get(address).status_code == 200


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("master.m3u8", "application/vnd.apple.mpegurl"),
        ("seg0.m4s", "video/iso.segment"),
        ("init.mp4", "video/mp4"),
        ("poster.jpg", "image/jpeg"),
    ],
)
def test_media_have_the_type_that_players_expect_and_are_cached_forever(
    api: httpx.Client, tmp_path: Path, name: str, content_type: str
) -> None:
    (tmp_path / "media" / "ab12").mkdir()
    (tmp_path / "media" / "ab12" / name).write_bytes(b"0123456789")
    answer = api.get(f"/media/ab12/{name}")
    assert answer.content == b"0123456789"
    assert answer.headers["content-type"] == content_type
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = api.get(f"/media/ab12/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "immutable" in again.headers["cache-control"]


def test_a_part_of_a_file_can_be_fetched_and_an_impossible_part_is_a_problem(api: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "media" / "a.mp4").write_bytes(b"0123456789")
    part = api.get("/media/a.mp4", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    beyond = api.get("/media/a.mp4", headers={"Range": "bytes=20-30"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */10")
    assert beyond.headers["content-type"] == "application/problem+json"
    nonsense = api.get("/media/a.mp4", headers={"Range": "bytes=x"})
    assert (nonsense.status_code, nonsense.headers["content-type"]) == (400, "application/problem+json")


def test_hidden_files_and_files_outside_are_not_served(api: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "media" / ".part").mkdir()
    (tmp_path / "media" / ".part" / "a.mp4").write_bytes(b"half")
    (tmp_path / "outside.mp4").write_bytes(b"secret")
    (tmp_path / "media" / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    for path in ("/media/.part/a.mp4", "/media/..%2foutside.mp4", "/media/link.mp4", "/media/", "/media/%00"):
        assert api.get(path).status_code == 404
