"""API keys over real HTTP: who has one that is good comes in, for what it is good for, as often as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import redis

import serving.api_keys
from serving.app import create_app
from serving.feed_store import api_keys
from serving.feed_store.api_keys import Scope
from tests.serving.conftest import over_http
from tests.serving.proxy import Fault, Proxy
from tests.steps import wait

if TYPE_CHECKING:
    from tests.serving.conftest import Publish, RawRedis

EVENT = {"user_id": "ann", "video_id": "a", "event_type": "like", "event_at": "2026-01-01T00:00:00Z"}
Locked = Callable[[str], AbstractContextManager[httpx.Client]]


def bearer(shown: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {shown}"}


def make(url: str, *scopes: Scope, per_minute: int = 1_000) -> str:
    """What the holder of a new key sends."""
    with redis.Redis.from_url(url) as client:
        return api_keys.create(client, "app", scopes or Scope, per_minute)[1]


@pytest.fixture
def locked(tmp_path: Path, raw_redis: RawRedis, monkeypatch: pytest.MonkeyPatch) -> Locked:
    """Starts the service over a Redis that was emptied, with keys demanded."""
    monkeypatch.setattr(serving.api_keys, "_EVERY_S", 0.2)

    @contextmanager
    def serve(redis_url: str) -> Iterator[httpx.Client]:
        media, events, landing = (tmp_path / name for name in ("media", "events", "landing"))
        app = create_app(
            redis_url=redis_url, media=media, events=events, landing=landing, secret="a secret", demand_keys=True,
            origins=["https://app.example"],
        )  # fmt: skip
        with over_http(app) as client:
            yield client

    return serve


def test_a_key_opens_what_it_is_good_for_and_nothing_else(locked: Locked, server_url: str, publish: Publish) -> None:
    publish("v1", {"ann": ["a"]})
    reader, writer = make(server_url, Scope.READ), make(server_url, Scope.EVENTS)
    with locked(server_url) as api:
        assert api.get("/v1/feed/ann", headers=bearer(reader)).status_code == 200
        assert api.post("/v1/events", json=EVENT, headers=bearer(writer)).status_code == 202
        for answer in (
            api.post("/v1/events", json=EVENT, headers=bearer(reader)),
            api.get("/v1/feed/ann", headers=bearer(writer)),
            api.post("/v1/uploads", headers=bearer(writer)),
            api.delete("/v1/videos/a", params={"user_id": "ann"}, headers=bearer(writer)),
        ):
            assert (answer.status_code, answer.json()["type"]) == (403, "urn:reelmill:problem:key-not-for-this")


def test_who_has_no_key_or_another_is_not_let_in_and_what_is_for_everybody_stays_open(
    locked: Locked, server_url: str
) -> None:
    good = make(server_url)
    _, key_id, secret = good.split("_", 2)
    with locked(server_url) as api:
        wrong = ("rm", f"rm_{key_id}_{secret}x", f"rm_{key_id}_", f"rm_x_{secret}", f"no_{key_id}_{secret}")
        for headers in ({}, {"Authorization": good}, *map(bearer, wrong)):
            answer = api.get("/v1/feed/ann", headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.json()["type"] == "urn:reelmill:problem:no-key"
        for path in ("/", "/livez", "/docs", "/openapi.json", "/player/main.js"):
            assert api.get(path).status_code == 200
        assert 'route="none",status="401"' in api.get("/metrics").text


def test_redis_has_no_secret(server_url: str, raw_redis: RawRedis) -> None:
    secret = make(server_url).split("_", 2)[2]
    with redis.Redis.from_url(server_url) as client:
        kept = client.hgetall(api_keys.KEYS)
    assert secret not in str(kept) and api_keys.digest(secret) in str(kept)


def test_a_new_key_is_good_and_a_revoked_one_is_not_within_seconds(locked: Locked, server_url: str) -> None:
    with locked(server_url) as api:
        good = make(server_url)
        wait(lambda: api.get("/v1/videos/a", headers=bearer(good)).status_code == 404)
        with redis.Redis.from_url(server_url) as client:
            assert api_keys.revoke(client, good.split("_")[1])
        wait(lambda: api.get("/v1/videos/a", headers=bearer(good)).status_code == 401)


def test_keys_of_a_redis_that_was_emptied_are_good_for_nothing_and_new_ones_are(
    locked: Locked, server_url: str
) -> None:
    old = make(server_url)
    with locked(server_url) as api:
        assert api.get("/v1/videos/a", headers=bearer(old)).status_code == 404
        with redis.Redis.from_url(server_url) as client:
            client.flushall()
        new = make(server_url)
        wait(lambda: api.get("/v1/videos/a", headers=bearer(new)).status_code == 404)
        assert api.get("/v1/videos/a", headers=bearer(old)).status_code == 401


def test_a_limit_holds_over_all_endpoints_and_without_redis_each_counts_for_itself(
    locked: Locked, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.api_keys, "WINDOW_S", 86_400)  # a minute might end meanwhile
    keys = [bearer(make(server_url, per_minute=20)) for _ in range(2)]
    with Proxy(server_url).running() as proxy, locked(proxy.url) as one, locked(server_url) as other:
        assert [one.get("/v1/videos/a", headers=keys[0]).status_code for _ in range(15)] == [404] * 15
        assert [other.get("/v1/videos/a", headers=keys[0]).status_code for _ in range(15)] == [404] * 15
        wait(lambda: other.get("/v1/videos/a", headers=keys[0]).status_code == 429)
        wait(lambda: one.get("/v1/videos/a", headers=keys[0]).status_code == 429)
        full = one.get("/v1/videos/a", headers=keys[0])
        assert 0 < int(full.headers["retry-after"]) <= 86_400
        proxy.set(Fault.REFUSE)
        without = [one.get("/v1/videos/a", headers=keys[1]).status_code for _ in range(25)]
        assert without == [503] * 20 + [429] * 5


def test_nobody_is_let_in_before_the_keys_are_known(locked: Locked) -> None:
    with locked("redis://127.0.0.1:1/0") as api:
        answer = api.get("/v1/feed/ann", headers=bearer("rm_a_b"))
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:reelmill:problem:keys-unknown")


def test_the_document_says_that_a_key_is_wanted_and_what_comes_without(locked: Locked, server_url: str) -> None:
    with locked(server_url) as api:
        document = api.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            is_guarded = path.startswith("/v1/") and method != "options"
            assert ("security" in operation) == is_guarded, (path, method)
            assert ({"401", "403", "429"} <= set(operation["responses"])) == is_guarded, (path, method)


def test_a_page_of_an_origin_that_is_named_may_ask_and_others_may_not(locked: Locked, server_url: str) -> None:
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,tus-resumable"}
    with locked(server_url) as api:
        ours = api.options("/v1/uploads/a", headers={"Origin": "https://app.example"} | asked)
        assert (ours.status_code, ours.headers["access-control-allow-origin"]) == (200, "https://app.example")
        assert "PATCH" in ours.headers["access-control-allow-methods"]
        assert "authorization" in ours.headers["access-control-allow-headers"].lower()
        answer = api.get("/v1/videos/a", headers={"Origin": "https://app.example"})
        assert "Upload-Offset" in answer.headers["access-control-expose-headers"]
        others = api.options("/v1/uploads/a", headers={"Origin": "https://other.example"} | asked)
        assert "access-control-allow-origin" not in others.headers
