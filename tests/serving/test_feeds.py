"""Feeds and videos over real HTTP from a real Redis."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from serving.feed_store.layout import encode
from serving.feed_store.writer import FeedStore

if TYPE_CHECKING:
    from tests.serving.conftest import Publish, RawRedis


FORTY = [f"video{n}" for n in range(40)]


def video_ids(page: dict[str, list[dict[str, object]]]) -> list[object]:
    return [item["video_id"] for item in page["items"]]


def read_on(api: httpx.Client, user_id: str, cursor: str | None, limit: int) -> list[object]:
    seen: list[object] = []
    while cursor is not None:
        answer = api.get(f"/v1/feed/{user_id}", params={"cursor": cursor, "limit": limit})
        assert answer.status_code == 200, answer.text
        seen += video_ids(answer.json())
        cursor = answer.json()["next_cursor"]
    return seen


def test_a_feed_says_whose_it_is_of_which_version_and_holds_the_slots_as_published(
    api: httpx.Client, publish: Publish
) -> None:
    publish("20180924T000000Z-m1", {"ann": ["a", "b"]})
    answer = api.get("/v1/feed/ann")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.json() == {
        "user_id": "ann",
        "feed_version": "20180924T000000Z-m1",
        "is_fallback": False,
        "is_stale": False,
        "items": [{"video_id": "a", "position": 0}, {"video_id": "b", "position": 1}],
        "next_cursor": None,
    }


def test_a_page_has_ten_slots_unless_asked_otherwise(api: httpx.Client, publish: Publish) -> None:
    publish("v1", {"ann": FORTY})
    assert len(api.get("/v1/feed/ann").json()["items"]) == 10
    assert len(api.get("/v1/feed/ann", params={"limit": 3}).json()["items"]) == 3
    assert len(api.get("/v1/feed/ann", params={"limit": 50}).json()["items"]) == 40


@pytest.mark.parametrize("limit", [1, 7, 10, 40, 100])
def test_paging_repeats_nothing_and_skips_nothing(api: httpx.Client, publish: Publish, limit: int) -> None:
    publish("v1", {"ann": FORTY})
    first = api.get("/v1/feed/ann", params={"limit": limit}).json()
    seen = video_ids(first) + read_on(api, "ann", first["next_cursor"], limit)
    assert seen == FORTY


def test_a_reader_in_the_middle_of_a_feed_stays_in_it_when_a_new_version_is_published(
    api: httpx.Client, publish: Publish
) -> None:
    publish("v1", {"ann": FORTY})
    first = api.get("/v1/feed/ann").json()
    publish("v2", {"ann": [f"new{n}" for n in range(40)]})
    assert video_ids(first) + read_on(api, "ann", first["next_cursor"], 10) == FORTY
    fresh = api.get("/v1/feed/ann").json()
    assert fresh["feed_version"] == "v2"
    assert video_ids(fresh)[0] == "new0"


def test_a_reader_stays_in_their_feed_when_the_same_version_is_published_again(
    api: httpx.Client, publish: Publish
) -> None:
    publish("v1", {"ann": FORTY})
    first = api.get("/v1/feed/ann").json()
    publish("v1", {"ann": FORTY})
    assert video_ids(first) + read_on(api, "ann", first["next_cursor"], 10) == FORTY


def test_a_rollback_is_served_at_once(api: httpx.Client, store: FeedStore, publish: Publish) -> None:
    publish("v1", {"ann": ["a"]})
    publish("v2", {"ann": ["b"]})
    assert api.get("/v1/feed/ann").json()["feed_version"] == "v2"
    store.rollback("v1")
    assert api.get("/v1/feed/ann").json()["feed_version"] == "v1"


def test_a_stranger_gets_the_fallback_feed_marked_as_such_and_can_page_it(api: httpx.Client, publish: Publish) -> None:
    publish("v1", {"ann": ["a"]})
    first = api.get("/v1/feed/stranger").json()
    assert first["is_fallback"] is True
    publish("v2", {"ann": ["a"], "stranger": ["own"]})
    seen = video_ids(first) + read_on(api, "stranger", first["next_cursor"], 10)
    assert seen == [f"v1-top{n}" for n in range(25)]
    assert video_ids(api.get("/v1/feed/stranger").json()) == ["own"]


def test_a_stranger_gets_the_new_fallback_after_a_publish(api: httpx.Client, publish: Publish) -> None:
    publish("v1", {"ann": ["a"]})
    assert video_ids(api.get("/v1/feed/stranger").json())[0] == "v1-top0"
    publish("v2", {"ann": ["a"]})
    assert video_ids(api.get("/v1/feed/stranger").json())[0] == "v2-top0"


@pytest.mark.parametrize("user_id", ["ann", "stranger"])
def test_a_page_costs_one_round_trip_to_redis(
    api: httpx.Client, publish: Publish, raw_redis: RawRedis, user_id: str
) -> None:
    def round_trips() -> int:
        return int(raw_redis.info("stats")["total_reads_processed"])

    publish("v1", {"ann": FORTY})
    for video_id in [*FORTY[:15], *(f"v1-top{n}" for n in range(10))]:
        refuse(api, user_id, video_id, "impression")
    cursor = api.get(f"/v1/feed/{user_id}").json()["next_cursor"]  # the first learns the pointer

    def cost(pages: int, **parameters: str) -> int:
        """The least of three: Redis counts reads of its sockets, and a busy machine opens one, or reads twice."""
        costs = []
        for _ in range(3):
            before = round_trips()
            for _ in range(pages):
                api.get(f"/v1/feed/{user_id}", params=parameters)
            costs.append(round_trips() - before)
        return min(costs)

    idle = cost(0)
    assert cost(10) - idle == 10
    assert cost(1, cursor=cursor) - idle <= 1


def test_an_altered_cursor_is_a_clear_problem(api: httpx.Client, publish: Publish) -> None:
    publish("v1", {"ann": FORTY})
    cursor = api.get("/v1/feed/ann").json()["next_cursor"]
    answer = api.get("/v1/feed/ann", params={"cursor": cursor + "x"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:reelmill:problem:cursor-invalid"
    assert "start again without a cursor" in answer.json()["detail"]


def test_a_cursor_of_somebody_else_is_a_clear_problem(api: httpx.Client, publish: Publish) -> None:
    publish("v1", {"ann": FORTY, "bob": FORTY})
    cursor = api.get("/v1/feed/ann").json()["next_cursor"]
    answer = api.get("/v1/feed/bob", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:reelmill:problem:cursor-invalid")


def test_a_cursor_whose_version_has_expired_is_a_clear_problem(
    api: httpx.Client, publish: Publish, raw_redis: RawRedis
) -> None:
    publish("v1", {"ann": FORTY})
    cursor = api.get("/v1/feed/ann").json()["next_cursor"]
    raw_redis.delete(*raw_redis.keys("feed:*:u:{seen:ann}"))
    answer = api.get("/v1/feed/ann", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"]) == (410, "urn:reelmill:problem:cursor-expired")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=ten", "limit=", "limit=1e1", "cursor=" + "x" * 2000])
def test_a_limit_or_cursor_out_of_range_is_a_problem_that_names_it(
    api: httpx.Client, publish: Publish, query: str
) -> None:
    publish("v1", {"ann": FORTY})
    answer = api.get(f"/v1/feed/ann?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["where"] == f"query.{query.partition('=')[0]}"


@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cursor=st.text(max_size=200), user_id=st.text(min_size=1, max_size=64))
def test_no_cursor_or_user_that_a_client_makes_up_breaks_the_service(
    api: httpx.Client, store: FeedStore, publish: Publish, cursor: str, user_id: str
) -> None:
    if store.current_version() is None:
        publish("v1", {"ann": ["a"]})
    answer = api.get(f"/v1/feed/{quote(user_id, safe='')}?cursor={quote(cursor)}")
    assert answer.status_code in (400, 404, 422)  # a slash or a dot in an id is another path
    assert answer.headers["content-type"] == "application/problem+json"
    fresh = api.get(f"/v1/feed/{quote(user_id, safe='')}")
    assert fresh.status_code in (200, 404, 422)
    if fresh.status_code == 200:
        assert fresh.json()["user_id"] == user_id
        assert fresh.json()["is_fallback"] is (user_id != "ann")


@pytest.mark.parametrize("user_id", ["ann", "ann@home", "50%", "a?b#c", "..a", "ä ö", "😀" * 128, "a\\b", "%2F", " "])
def test_whoever_can_send_events_can_read_a_feed(api: httpx.Client, publish: Publish, user_id: str) -> None:
    publish("v1", {user_id: ["a"]})
    event = {"user_id": user_id, "video_id": "a", "event_type": "like", "event_at": "2026-01-31T18:00:00Z"}
    assert api.post("/v1/events", json=event).status_code == 202
    answer = api.get(f"/v1/feed/{quote(user_id, safe='')}")
    assert (answer.status_code, answer.json()["user_id"], answer.json()["is_fallback"]) == (200, user_id, False)


@pytest.mark.parametrize("user_id", ["team/ann", ".", "..", "😀" * 129, "a\n", "\x7f", ""])
def test_who_cannot_read_a_feed_cannot_send_events(api: httpx.Client, publish: Publish, user_id: str) -> None:
    publish("v1", {"ann": ["a"]})
    event = {"user_id": user_id, "video_id": "a", "event_type": "like", "event_at": "2026-01-31T18:00:00Z"}
    assert api.post("/v1/events", json=event).status_code == 422
    assert api.get(f"/v1/feed/{quote(user_id, safe='').replace('.', '%2E')}").status_code in (404, 422)


def test_without_a_published_version_a_feed_is_not_there_yet(api: httpx.Client) -> None:
    answer = api.get("/v1/feed/ann")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:reelmill:problem:no-feed-published"
    assert answer.headers["retry-after"] == "60"


@pytest.mark.parametrize(
    "garbage", [b"", b"garbage", b"\xff\xfe v1", b"no-hex-here1 v1", b"0123456789ab 20240301.of-nothing"]
)
def test_over_a_garbage_pointer_people_get_the_last_list_and_the_probe_says_why(
    api: httpx.Client, publish: Publish, raw_redis: RawRedis, garbage: bytes
) -> None:
    publish("v1", {"ann": ["a"]})
    assert api.get("/v1/feed/ann").status_code == 200
    raw_redis.set("feed:current", garbage)
    for path in ("/v1/feed/ann", "/v1/feed/stranger"):
        answer = api.get(path)
        assert (answer.headers["x-feed-source"], video_ids(answer.json())[0]) == ("fallback", "v1-top0")
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:reelmill:problem:no-feed-published")
    publish("v2", {"ann": ["b"]})
    assert video_ids(api.get("/v1/feed/ann").json()) == ["b"]


def test_feeds_that_no_night_has_replaced_are_served_and_marked_stale(api: httpx.Client, publish: Publish) -> None:
    today = datetime.now(UTC).date()
    publish(f"{today - timedelta(days=9):%Y%m%d}.m", {"ann": FORTY})
    page = api.get("/v1/feed/ann").json()
    assert page["is_stale"] is True and page["items"]
    assert api.get("/readyz").json()["is_stale"] is True
    publish(f"{today - timedelta(days=1):%Y%m%d}.m", {"ann": FORTY})
    assert api.get("/v1/feed/ann").json()["is_stale"] is False
    # An open page goes on in what it came from, and still says so.
    assert api.get("/v1/feed/ann", params={"cursor": page["next_cursor"]}).json()["is_stale"] is True


def refuse(api: httpx.Client, user_id: str, video_id: str, event_type: str = "not_interested") -> None:
    now = datetime.now(UTC).isoformat()
    event = {"user_id": user_id, "video_id": video_id, "event_type": event_type, "event_at": now}
    assert api.post("/v1/events", json=event).status_code == 202


def test_what_a_viewer_refuses_is_shown_to_them_no_more_and_pages_stay_full(
    api: httpx.Client, publish: Publish
) -> None:
    publish("v1", {"ann": FORTY, "bob": FORTY})
    first = api.get("/v1/feed/ann").json()
    refuse(api, "ann", "video12")
    refuse(api, "ann", "video3", "report")
    assert read_on(api, "ann", first["next_cursor"], 10) == [v for v in FORTY[10:] if v != "video12"]
    again = api.get("/v1/feed/ann").json()
    assert video_ids(again) == [v for v in FORTY if v != "video3"][:10]
    left = [v for v in FORTY if v not in ("video3", "video12")]
    assert video_ids(again) + read_on(api, "ann", again["next_cursor"], 10) == left
    assert video_ids(api.get("/v1/feed/bob").json()) == FORTY[:10]


def test_a_stranger_is_not_shown_what_they_refused_or_made(api: httpx.Client, store: FeedStore) -> None:
    store.begin("v1")
    made = [{"video_id": f"top{n}", "position": n, "user_id": f"maker{n % 2}"} for n in range(6)]
    store.write_fallback("v1", made)
    store.commit("v1", 0)
    refuse(api, "maker1", "top2")
    page = api.get("/v1/feed/maker1", params={"limit": 1}).json()
    assert video_ids(page) + read_on(api, "maker1", page["next_cursor"], 1) == ["top0", "top4"]
    assert len(api.get("/v1/feed/stranger").json()["items"]) == 6


def test_who_refused_all_of_their_feed_gets_the_one_for_strangers(api: httpx.Client, publish: Publish) -> None:
    publish("v1", {"ann": ["a"]})
    refuse(api, "ann", "a")
    assert api.get("/v1/feed/ann").json()["is_fallback"] is True


def test_a_video_is_answered_as_it_was_written(api: httpx.Client, store: FeedStore) -> None:
    video = {
        "video_id": "a",
        "user_id": "carol",
        "title": "Ein schöner Tag ☀",
        "hashtags": ["sun"],
        "duration": 3.52,
        "views": 7,
        "likes": 2,
        "playback_url": "/media/ab12/master.m3u8",
        "poster_url": "/media/ab12/poster.jpg",
    }
    assert store.write_videos([(video, date(2024, 3, 1))]) == 1
    answer = api.get("/v1/videos/a")
    assert answer.status_code == 200
    assert answer.json() == video
    store.write_videos([({**video, "views": 8}, date(2024, 3, 2))])
    assert api.get("/v1/videos/a").json()["views"] == 8


def test_several_videos_come_in_the_order_of_their_ids_without_those_that_are_not_published(
    api: httpx.Client, store: FeedStore
) -> None:
    store.write_videos([({"video_id": video_id}, date(2024, 3, 1)) for video_id in ("a", "b,c", "d")])
    answer = api.get("/v1/videos", params={"ids": ["d", "nope", "b,c"]})
    assert answer.json() == {"items": [{"video_id": "d"}, {"video_id": "b,c"}]}
    assert answer.headers["cache-control"] == api.get("/v1/videos/a").headers["cache-control"]
    assert api.get("/v1/videos").status_code == 422
    assert api.get("/v1/videos", params={"ids": ["a"] * 51}).status_code == 422
    assert api.get("/v1/videos", params={"ids": "a/b"}).status_code == 422


def test_an_unknown_video_is_a_problem_that_names_it(api: httpx.Client) -> None:
    answer = api.get("/v1/videos/nope")
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:reelmill:problem:unknown-video"
    assert "nope" in answer.json()["detail"]


def test_who_has_a_feed_is_told_why_a_video_is_in_it_and_in_that_of_before(api: httpx.Client, store: FeedStore) -> None:
    origin = {"source": "item_item", "policy_version": "p1", "feed_arm": None}
    words = {"reason": "because you watched A", "propensity": None}
    for version in ("v1", "v2"):
        store.begin(version)
        store.write_parts(version, [{"video_id": one} for one in ("a", "b")])
        store.write_feeds(version, [("ann", ["a", "b"], [b'{"reason":"new"}', encode(words) + b"\n" + encode(origin)])])
        store.write_fallback(version, [{"video_id": "top", "position": 0, "reason": "popular"}])
        store.commit(version, 1)
    told = {"user_id": "ann", "video_id": "b", "feed_version": "v2", "is_fallback": False, "position": 1}
    assert api.get("/v1/feed/ann/why/b").json() == told | words | origin
    assert api.get("/v1/feed/ann").json()["items"][1] == {"video_id": "b", "position": 1} | words
    of_before = api.get("/v1/feed/ann/why/b", params={"feed_version": "v1"}).json()
    assert of_before == told | words | origin | {"feed_version": "v1"}
    assert api.get("/v1/feed/ann/why/a").json()["source"] is None, "nobody kept it then"
    strangers = api.get("/v1/feed/eve/why/top").json()
    assert (strangers["is_fallback"], strangers["reason"], strangers["source"]) == (True, "popular", None)


def test_why_is_asked_of_what_is_in_a_feed_that_is_held(api: httpx.Client, publish: Publish) -> None:
    publish("v1", {"ann": ["a"]})
    for path in ("/v1/feed/ann/why/nope", "/v1/feed/eve/why/a"):
        assert api.get(path).json()["type"] == "urn:reelmill:problem:not-in-the-feed"
    assert api.get("/v1/feed/ann/why/a", params={"feed_version": "v0"}).status_code == 410
