"""Events over real HTTP: what is valid is on disk before the answer, what is not is named and kept."""

import fcntl
import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import serving.app
from serving.events import MAX_BODY_BYTES, MAX_EVENTS
from tests.steps import wait

Serve = Callable[..., AbstractContextManager[httpx.Client]]

LIKE: dict[str, object] = {
    "event_id": "e1",
    "user_id": "ann",
    "video_id": "a",
    "event_type": "like",
    "event_at": "2026-01-31T18:00:00.250+02:00",
}


def spooled(folder: Path) -> list[dict[str, object]]:
    """Every event that is on disk, in files still being written too."""
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


def refused(folder: Path) -> list[dict[str, object]]:
    return spooled(folder / "rejected")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "events"


def test_one_event_is_on_disk_with_every_column_when_the_answer_comes(api: httpx.Client, folder: Path) -> None:
    answer = api.post("/v1/events", json=LIKE)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": [{"index": 0, "event_id": "e1"}], "rejected": []}
    (event,) = spooled(folder)
    assert str(event.pop("received_at")).endswith("Z")
    assert event == {
        "event_id": "e1",
        "user_id": "ann",
        "video_id": "a",
        "event_type": "like",
        "event_at": "2026-01-31T16:00:00.250000Z",
        "session_id": None,
        "position": None,
        "feed_version": None,
        "watch_ms": None,
        "share_watched": None,
        "hashtag": None,
    }


def test_a_view_keeps_what_was_measured(api: httpx.Client, folder: Path) -> None:
    view = {"event_type": "view", "position": 3, "feed_version": "v1", "watch_ms": 5000, "share_watched": 1.25}
    assert api.post("/v1/events", json={**LIKE, **view, "session_id": "s"}).status_code == 202
    (event,) = spooled(folder)
    assert {name: event[name] for name in view} == view


def test_an_event_without_an_id_is_given_one(api: httpx.Client, folder: Path) -> None:
    event = {name: value for name, value in LIKE.items() if name != "event_id"}
    given_id = api.post("/v1/events", json=event).json()["accepted"][0]["event_id"]
    assert uuid.UUID(given_id).version == 4
    assert spooled(folder)[0]["event_id"] == given_id


def test_in_a_batch_the_good_are_taken_and_each_bad_one_is_named_with_its_reason(
    api: httpx.Client, folder: Path
) -> None:
    bad = {**LIKE, "event_type": "dance"}
    answer = api.post("/v1/events", json=[LIKE, bad, {**LIKE, "event_id": "e2"}])
    assert answer.status_code == 202
    assert [one["event_id"] for one in answer.json()["accepted"]] == ["e1", "e2"]
    (rejected,) = answer.json()["rejected"]
    assert rejected["index"] == 1
    assert rejected["reason"].startswith("event_type: Input should be 'impression', 'view'")
    assert [event["event_id"] for event in spooled(folder)] == ["e1", "e2"]
    (kept,) = refused(folder)
    assert (json.loads(str(kept["raw"])), kept["reason"]) == (bad, rejected["reason"])


def test_what_is_nested_too_deep_to_be_written_again_costs_only_itself(api: httpx.Client, folder: Path) -> None:
    deep = json.dumps(LIKE)[:-1] + ',"extra":' + "[" * 253 + "]" * 253 + "}"
    answer = api.post("/v1/events", content=f"[{json.dumps(LIKE)},{deep}]")
    assert (answer.status_code, answer.json()["accepted"]) == (202, [{"index": 0, "event_id": "e1"}])
    assert [event["event_id"] for event in spooled(folder)] == ["e1"]
    assert [kept["raw"] for kept in refused(folder)] == [deep]  # as it was received


def test_what_is_refused_is_kept_up_to_a_bound(api: httpx.Client, folder: Path) -> None:
    names = {f"field {n}": 0 for n in range(3000)}
    text = json.dumps({**LIKE, "event_id": "ä" * 20_000, **names}, ensure_ascii=False)
    assert api.post("/v1/events", content=text.encode()).status_code == 422
    (kept,) = refused(folder)
    assert text.startswith(str(kept["raw"])) and len(str(kept["raw"])) > 5_000
    assert kept["bytes"] == len(text.encode())
    assert sum(path.stat().st_size for path in folder.glob("rejected/*")) < 20_000


def test_the_good_events_are_kept_where_the_others_cannot_be(api: httpx.Client, folder: Path) -> None:
    (folder / "rejected").rmdir()
    answer = api.post("/v1/events", json=[LIKE, {}])
    assert (answer.status_code, len(answer.json()["rejected"])) == (202, 1)
    assert [event["event_id"] for event in spooled(folder)] == ["e1"]
    assert api.post("/v1/events", content=b"{").status_code == 400


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"user_id": ""}, "user_id: String should have at least 1 character"),
        ({"user_id": 7}, "user_id: Input should be a valid string"),
        ({"user_id": "a\nb"}, "user_id: String should match pattern"),
        ({"user_id": "team/ann"}, "user_id: String should match pattern"),
        ({"video_id": ".."}, "video_id: Value error, must not be"),
        ({"video_id": None}, "video_id: Input should be a valid string"),
        ({"video_id": "x" * 129}, "video_id: String should have at most 128 characters"),
        ({"event_at": "yesterday"}, "event_at: Value error, must be an ISO 8601 time"),
        ({"event_at": 1537747200}, "event_at: Value error, must be an ISO 8601 time"),
        ({"event_at": "1537747200"}, "event_at: Value error, must be an ISO 8601 time"),
        ({"event_at": "2026-01-31T18:00:00"}, "event_at: Input should have timezone info"),
        ({"event_at": "0001-01-01T00:00:00+14:00"}, "event: Value error, event_at must lie between"),
        ({"event_at": "9999-12-31T23:59:59-14:00"}, "event: Value error, event_at must lie between"),
        ({"event_at": "1989-12-31T23:59:59Z"}, "event: Value error, event_at must lie between 1990 and one day"),
        ({"event_at": "2099-01-01T00:00:00Z"}, "event: Value error, event_at must lie between 1990 and one day"),
        ({"event_type": "view"}, "event: Value error, a view must say watch_ms or share_watched"),
        ({"watch_ms": -1}, "watch_ms: Input should be greater than or equal to 0"),
        ({"watch_ms": 1.5}, "watch_ms: Input should be a valid integer"),
        ({"watch_ms": True}, "watch_ms: Input should be a valid integer"),
        ({"watch_ms": 10**30}, "watch_ms: Input should be a valid integer"),
        ({"share_watched": "1"}, "share_watched: Input should be a valid number"),
        ({"event_type": "mute_hashtag"}, "event: Value error, mute_hashtag and unmute_hashtag name a hashtag"),
        ({"hashtag": "cats"}, "event: Value error, mute_hashtag and unmute_hashtag name a hashtag"),
        ({"event_type": "mute_hashtag", "hashtag": "#"}, "hashtag: Value error, must have a character beside '#'"),
        ({"position": -1}, "position: Input should be greater than or equal to 0"),
        ({"watchms": 3}, "watchms: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_event_is_refused_with_its_reason(
    api: httpx.Client, folder: Path, change: dict[str, object], reason: str
) -> None:
    answer = api.post("/v1/events", json={**LIKE, **change})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["rejected"][0]["index"] == 0
    assert answer.json()["rejected"][0]["reason"].startswith(reason)
    assert spooled(folder) == []
    assert len(refused(folder)) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a":NaN}', b'"\\ud800"', b"[" * 100_000])
def test_a_body_that_is_not_json_is_a_problem_and_is_kept(api: httpx.Client, folder: Path, body: bytes) -> None:
    answer = api.post("/v1/events", content=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:reelmill:problem:not-json")
    (kept,) = refused(folder)
    assert str(kept["reason"]).startswith("not JSON: ")
    assert spooled(folder) == []


def test_an_empty_batch_is_a_problem(api: httpx.Client) -> None:
    answer = api.post("/v1/events", json=[])
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:reelmill:problem:no-valid-event")


def test_a_body_or_batch_that_is_too_large_is_a_problem_that_says_how_much_is_allowed(api: httpx.Client) -> None:
    answer = api.post("/v1/events", content=b" " * (MAX_BODY_BYTES + 1))
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:reelmill:problem:body-too-large")
    assert str(MAX_BODY_BYTES) in answer.json()["detail"]
    answer = api.post("/v1/events", json=[{}] * (MAX_EVENTS + 1))
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:reelmill:problem:too-many-events")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
almost_events = st.builds(
    lambda changes, dropped: {k: v for k, v in {**LIKE, **changes}.items() if k not in dropped},
    st.dictionaries(
        st.sampled_from([*LIKE, "session_id", "position", "feed_version", "watch_ms", "share_watched"]),
        json_values,
        max_size=3,
    ),
    st.sets(st.sampled_from(list(LIKE)), max_size=1),
)


@pytest.mark.slow
@hypothesis_settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(almost_events | json_values, max_size=4))
def test_whatever_is_sent_every_event_is_either_spooled_or_rejected(
    api: httpx.Client, folder: Path, batch: list[object]
) -> None:
    spooled_before, refused_before = len(spooled(folder)), len(refused(folder))
    answer = api.post("/v1/events", content=json.dumps(batch))
    taken = answer.json().get("accepted", [])
    rejected = answer.json()["rejected"]
    assert answer.status_code == (202 if taken else 422)
    assert sorted(one["index"] for one in taken + rejected) == list(range(len(batch)))
    assert len(spooled(folder)) - spooled_before == len(taken)
    assert len(refused(folder)) - refused_before == len(rejected)


# Texts that are no good events and do not reach beyond themselves, each in its own way.
scraps = ["", " ", "tru", "NaN", "-", "1e999", "9" * 5000, '"\\ud800"', '"\\x"', '"\x01"', "{:}", "[1 2]", "{]"]
broken = st.one_of(
    st.integers(1, 2000).map(lambda n: "[" * n + "]" * n),
    st.integers(1, 2000).map(lambda n: json.dumps(LIKE)[:-1] + ',"extra":' + '{"a":' * n + "1" + "}" * n + "}"),
    st.sampled_from(
        ["", " ", "tru", "NaN", "-", "1e999", "9" * 5000, '"\\ud800"', '"\\x"', '"\x01"', "{:}", "[1 2]", "{]"]
    ),
    json_values.map(lambda value: json.dumps({**LIKE, "event_at": value})),
    almost_events.map(lambda event: json.dumps({**event, "event_type": "dance"})),
)


@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(broken, max_size=4), good_at=st.integers(0, 4))
def test_whatever_is_beside_a_good_event_it_is_kept(
    api: httpx.Client, folder: Path, batch: list[str], good_at: int
) -> None:
    before = len(spooled(folder))
    texts = [*batch[:good_at], json.dumps(LIKE), *batch[good_at:]]
    answer = api.post("/v1/events", content="[" + ",".join(texts) + "]")
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == [{"index": min(good_at, len(batch)), "event_id": "e1"}]
    assert [event["event_id"] for event in spooled(folder)[before:]] == ["e1"]


@hypothesis_settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
def test_no_bytes_break_the_service(api: httpx.Client, body: bytes) -> None:
    answer = api.post("/v1/events", content=body)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_stopped_service_leaves_complete_files_only(server_url: str, serve: Serve, folder: Path) -> None:
    with serve(server_url) as client:
        client.post("/v1/events", json=LIKE)
    assert list(folder.glob(".*.jsonl")) == []
    assert len(spooled(folder)) == 1


def test_those_who_read_do_not_wait_for_the_disk_of_those_who_write(api: httpx.Client, folder: Path) -> None:
    with (folder / ".lock").open("w") as lock, ThreadPoolExecutor() as threads:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a disk that answers nobody: nobody can begin a file
        posted = threads.submit(httpx.post, f"{api.base_url}/v1/events", json=LIKE, timeout=60)
        time.sleep(1.5)  # the upkeep of each second waits, too
        assert api.get("/livez", timeout=10).status_code == 200
        assert api.get("/metrics", timeout=10).status_code == 200
        assert not posted.done()
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert posted.result().status_code == 202


def test_a_living_service_publishes_what_another_acknowledged_before_it_died(
    api: httpx.Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.app, "_RECOVER_EVERY_S", 0.0)
    (folder / ".1-1.jsonl").write_text(json.dumps(LIKE) + "\n")
    wait((folder / "1-1.jsonl").exists)
    assert [event["event_id"] for event in spooled(folder)] == ["e1"]
    assert list(folder.glob(".*.jsonl")) == []
