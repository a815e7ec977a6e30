"""What a viewer was shown does not come again in a new feed, and never moves the pages of one that they are in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import httpx
import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from serving.feed_store import refused, seen
from serving.feed_store.forgotten import forget_viewer

if TYPE_CHECKING:
    from tests.serving.conftest import Publish, RawRedis

THIRTY = [f"video{n}" for n in range(30)]
TOP = [f"v1-top{n}" for n in range(25)]


def report(
    api: httpx.Client, video_ids: list[str], user_id: str = "ann", event_type: str = "impression", ago: int = 0
) -> None:
    if not video_ids:
        return
    at = (datetime.now(UTC) - timedelta(days=ago)).isoformat()
    events = [
        {"user_id": user_id, "video_id": video_id, "event_type": event_type, "event_at": at} for video_id in video_ids
    ]
    assert api.post("/v1/events", json=events).status_code == 202


def page(api: httpx.Client, cursor: str | None = None, user_id: str = "ann", limit: int = 10) -> httpx.Response:
    return api.get(f"/v1/feed/{user_id}", params={"limit": limit} | ({"cursor": cursor} if cursor else {}))


def shown(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [slot["video_id"] for slot in answer.json()["items"]]


def rest(api: httpx.Client, answer: httpx.Response, user_id: str = "ann", limit: int = 10) -> list[str]:
    found = shown(answer)
    while cursor := answer.json()["next_cursor"]:
        answer = page(api, cursor, user_id, limit)
        found += shown(answer)
    return found


def test_a_new_feed_begins_with_what_was_not_shown(api: httpx.Client, publish: Publish) -> None:
    publish("v1", {"ann": THIRTY, "bob": THIRTY})
    report(api, [*THIRTY[:5], THIRTY[7]])
    assert shown(page(api))[:4] == [THIRTY[5], THIRTY[6], THIRTY[8], THIRTY[9]]
    assert rest(api, page(api)) == [THIRTY[5], THIRTY[6], *THIRTY[8:]]
    assert shown(page(api, user_id="bob"))[0] == THIRTY[0]
    publish("v2", {"ann": THIRTY[::-1]})
    assert rest(api, page(api)) == [v for v in THIRTY[::-1] if v not in THIRTY[:5] and v != THIRTY[7]]


@pytest.mark.parametrize("event_type", ["impression", "like", "skip", "share"])
def test_whatever_somebody_did_with_a_video_they_saw_it(api: httpx.Client, publish: Publish, event_type: str) -> None:
    publish("v1", {"ann": THIRTY})
    report(api, [THIRTY[0]], event_type=event_type)
    assert shown(page(api))[0] == THIRTY[1]


def test_what_happened_days_ago_was_not_shown_lately(api: httpx.Client, publish: Publish) -> None:
    publish("v1", {"ann": THIRTY})
    report(api, [THIRTY[0]], ago=2)
    assert shown(page(api))[0] == THIRTY[0]


def test_after_an_expired_cursor_the_new_feed_leaves_out_what_was_shown(
    api: httpx.Client, publish: Publish, raw_redis: RawRedis
) -> None:
    publish("v1", {"ann": THIRTY})
    first = page(api)
    report(api, shown(first))
    publish("v2", {"ann": THIRTY})
    (old,) = [key for key in raw_redis.keys("feed:*:u:{seen:ann}") if raw_redis.ttl(key) > 0]
    raw_redis.delete(old)
    answer = page(api, first.json()["next_cursor"])
    assert (answer.status_code, answer.json()["type"]) == (410, "urn:reelmill:problem:cursor-expired")
    assert "start again without a cursor" in answer.json()["detail"]
    assert rest(api, page(api)) == THIRTY[10:]


def test_who_has_seen_all_of_their_feed_gets_what_is_new_to_them_and_then_their_own_again(
    api: httpx.Client, publish: Publish
) -> None:
    publish("v1", {"ann": THIRTY})
    report(api, [*THIRTY, *TOP[:3]])
    strangers = page(api)
    assert strangers.json()["is_fallback"] is True
    assert rest(api, strangers) == TOP[3:]
    report(api, TOP)
    again = page(api)
    assert again.json()["is_fallback"] is False
    assert rest(api, again) == THIRTY


def test_a_stranger_who_has_seen_everything_sees_it_again(api: httpx.Client, publish: Publish) -> None:
    publish("v1", {"ann": THIRTY})
    report(api, TOP[:20], "stranger")
    assert shown(page(api, user_id="stranger")) == TOP[20:]
    report(api, TOP[20:], "stranger")
    assert rest(api, page(api, user_id="stranger"), "stranger") == TOP


def test_of_two_devices_each_pages_on_and_a_new_feed_leaves_out_what_either_showed(
    api: httpx.Client, publish: Publish
) -> None:
    publish("v1", {"ann": THIRTY})
    phone = page(api)
    report(api, shown(phone))
    tablet = page(api)
    assert shown(tablet) == THIRTY[10:20]
    report(api, shown(tablet))
    assert rest(api, phone) == THIRTY
    assert shown(page(api)) == THIRTY[20:]


numbers = st.lists(st.integers(0, 29), max_size=8)


@pytest.mark.slow
@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=numbers,
    between=st.lists(st.tuples(numbers, st.booleans(), st.integers(1, 12)), min_size=1, max_size=12),
    refused=st.none() | st.integers(0, 29),
    own=st.booleans(),
)
def test_pages_neither_repeat_nor_skip_whatever_is_shown_published_or_refused_meanwhile(
    api: httpx.Client,
    publish: Publish,
    raw_redis: RawRedis,
    before: list[int],
    between: list[tuple[list[int], bool, int]],
    refused: int | None,
    own: bool,
) -> None:
    raw_redis.delete("seen:ann", "refused:{seen:ann}")
    videos = THIRTY if own else TOP
    publish("v1", {"ann": THIRTY} if own else {"bob": THIRTY})
    report(api, [videos[n % len(videos)] for n in before])
    if refused is not None:
        report(api, [videos[refused % len(videos)]], event_type="not_interested")
    left_out = {videos[n % len(videos)] for n in [*before, *([refused] if refused is not None else [])]}
    found, cursor, turn = [], None, 0
    while turn == 0 or cursor:
        reported, is_published, limit = between[turn % len(between)]
        answer = page(api, cursor, limit=limit)
        found += shown(answer)
        cursor, turn = answer.json()["next_cursor"], turn + 1
        report(api, [videos[n % len(videos)] for n in reported])
        if is_published:
            publish(f"v{turn + 1}", {"ann": THIRTY[::-1]})
    assert found == [video for video in videos if video not in left_out]


@pytest.mark.parametrize("viewer_id", ["a", "viewer-0000", "x" * 128, "😀" * 128])
def test_a_viewer_takes_less_than_a_kibibyte_for_three_days_and_what_was_shown_last_stays(
    api: httpx.Client, publish: Publish, raw_redis: RawRedis, viewer_id: str
) -> None:
    many = [f"video{n}" for n in range(500)]
    report(api, many, viewer_id)
    key = seen.key(viewer_id)
    client = cast(redis.Redis, raw_redis)
    assert cast(int, client.memory_usage(key)) < 1024
    assert 0 < raw_redis.ttl(key) <= seen.TTL_S
    publish("v1", {viewer_id: [*many[-50:], "new"]})
    assert shown(page(api, user_id=viewer_id)) == ["new"]


def test_of_what_somebody_refused_the_newest_and_not_more_than_a_page_can_look_at_is_kept(
    api: httpx.Client, publish: Publish, raw_redis: RawRedis
) -> None:
    for n in range(0, 3_000, 1_000):
        report(api, [f"video{m}" for m in range(n, n + 1_000)], event_type="not_interested", ago=2)
    client = cast(redis.Redis, raw_redis)
    kept = cast("set[bytes]", client.smembers(refused.key("ann")))
    assert len(kept) == refused.MOST
    assert {b"video%d" % n for n in range(2_000, 3_000)} <= kept
    assert 0 < raw_redis.ttl(refused.key("ann")) <= refused.TTL_S
    publish("v1", {"ann": ["video2999", "new"]})
    assert shown(page(api)) == ["new"]


def test_a_batch_of_many_viewers_is_remembered_whole(api: httpx.Client, raw_redis: RawRedis) -> None:
    at = datetime.now(UTC).isoformat()
    events = [
        {"user_id": f"viewer{n}", "video_id": "a", "event_type": "not_interested", "event_at": at} for n in range(300)
    ]
    assert api.post("/v1/events", json=events).status_code == 202
    assert (len(raw_redis.keys("refused:*")), len(raw_redis.keys("seen:*"))) == (300, 300)


def test_what_is_shown_twice_takes_one_place(api: httpx.Client, raw_redis: RawRedis) -> None:
    for _ in range(3):
        report(api, ["a", "b", "a"])
    value = raw_redis.get("seen:ann")
    assert value is not None and len(value) == 4 + 2 * 4


def test_who_is_forgotten_was_shown_nothing(api: httpx.Client, publish: Publish, raw_redis: RawRedis) -> None:
    report(api, ["a"])
    assert forget_viewer(cast(redis.Redis, raw_redis), "ann") == 1
    assert raw_redis.keys("seen:*") == []


def test_an_answer_that_is_still_so_is_304_until_something_was_shown(api: httpx.Client, publish: Publish) -> None:
    publish("v1", {"ann": THIRTY})
    etag = page(api).headers["etag"]

    def again() -> httpx.Response:
        return api.get("/v1/feed/ann", params={"limit": 10}, headers={"If-None-Match": etag})

    assert (again().status_code, again().content, again().headers["etag"]) == (304, b"", etag)
    report(api, [THIRTY[0]])
    assert (again().status_code, shown(again())[0]) == (200, THIRTY[1])
