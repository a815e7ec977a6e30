"""A request that is sent again under its Idempotency-Key is done once, and answered as it was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

import serving.idempotency
from serving.feed_store import asked
from tests.serving.conftest import RawRedis, Serve
from tests.serving.tus import TUS, metadata

# Without an id: sent again without a key, it would count twice.
LIKE = {"user_id": "ann", "video_id": "a", "event_type": "like", "event_at": "2026-01-31T18:00:00Z"}
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def send(api: httpx.Client, user_id: str = "ann", **headers: str) -> httpx.Response:
    return api.post("/v1/events", json=LIKE | {"user_id": user_id}, headers=KEY | headers)


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def kept(folder: Path) -> int:
    return sum(len(file.read_text().splitlines()) for file in folder.glob("*.jsonl"))


def test_events_that_are_sent_again_are_kept_once_and_answered_alike(
    api: httpx.Client, raw_redis: RawRedis, tmp_path: Path
) -> None:
    first, again = send(api), send(api)
    assert (again.status_code, again.content, again.headers["content-type"]) == (202, first.content, "application/json")
    assert kept(tmp_path / "events") == 1
    (key,) = raw_redis.keys("asked:*")
    assert 0 < raw_redis.ttl(key) <= asked.TTL_S
    assert send(api, Authorization="Bearer another").json() != first.json(), "keys are each client's own"


def test_an_upload_that_is_begun_again_is_the_same(api: httpx.Client) -> None:
    stated = {"Upload-Length": "10", "Upload-Metadata": metadata(user_id="ann")}
    first, again = (api.post("/v1/uploads", headers=TUS | KEY | stated) for _ in range(2))
    assert (first.status_code, first.headers["location"]) == (again.status_code, again.headers["location"])
    assert again.headers["tus-resumable"] == "1.0.0"
    longer = api.post("/v1/uploads", headers=TUS | KEY | stated | {"Upload-Length": "11"})
    assert kind(longer) == (422, "idempotency-key-reused")
    assert send(api).status_code == 202, "it was another route's"


def test_another_request_under_the_key_and_one_while_the_first_is_worked_on_are_refused(
    api: httpx.Client, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(8) as threads:
        statuses = {answer.status_code for answer in threads.map(lambda _: send(api), range(8))}
    assert statuses <= {202, 409} and kept(tmp_path / "events") == 1
    assert kind(send(api, "ben")) == (422, "idempotency-key-reused")
    assert kind(send(api, **{"Idempotency-Key": "two words"})) == (400, "idempotency-key-invalid")


def test_what_was_not_done_may_be_sent_again_and_a_long_answer_is_not_kept(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [kind(send(api, "")) for _ in range(2)] == [(422, "no-valid-event")] * 2
    monkeypatch.setattr(serving.idempotency, "MOST_BYTES", 10)
    assert send(api).status_code == 202
    assert kind(send(api)) == (409, "answer-not-kept")


def test_without_redis_events_are_taken_all_the_same(serve: Serve, tmp_path: Path) -> None:
    with serve("redis://127.0.0.1:1/0") as api:
        assert [send(api).status_code for _ in range(2)] == [202, 202]
    assert kept(tmp_path / "events") == 2
