"""What is like a video, over HTTP, from lists that a night has written."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, cast

import httpx
import pytest
import redis

from serving.feed_store import related
from serving.feed_store.forgotten import forget_videos
from serving.feed_store.related import begin, forget, write

if TYPE_CHECKING:
    from serving.feed_store.writer import FeedStore
    from tests.serving.conftest import RawRedis

NIGHT, LATER = date(2024, 3, 1), date(2024, 3, 2)
MANY = [f"v{n}" for n in range(related.MOST)]


@pytest.fixture
def client(raw_redis: RawRedis, store: FeedStore) -> redis.Redis:
    """Twenty videos have cards; a and b have lists."""
    store.write_videos(({"video_id": video}, NIGHT) for video in ("a", "b", *MANY))
    client = cast(redis.Redis, raw_redis)
    write(client, [("a", MANY), ("b", ["a"])])
    return client


def ids(api: httpx.Client, video: str, **words: int) -> list[str]:
    answer = api.get(f"/v1/videos/{video}/related", params=words).raise_for_status()
    return [item["video_id"] for item in answer.json()["items"]]


def test_a_video_has_ten_nearest_first_or_as_many_as_are_asked_for(api: httpx.Client, client: redis.Redis) -> None:
    assert ids(api, "a") == MANY[:10]
    assert ids(api, "a", limit=3) == MANY[:3]
    assert ids(api, "a", limit=related.MOST) == MANY
    assert api.get("/v1/videos/a/related", params={"limit": related.MOST + 1}).status_code == 422


def test_what_was_withdrawn_meanwhile_leaves_its_place_to_the_next(api: httpx.Client, client: redis.Redis) -> None:
    forget_videos(client, {"v0", "v2"})
    assert ids(api, "a", limit=3) == ["v1", "v3", "v4"]
    assert api.get("/v1/videos/v0/related").json()["type"] == "urn:reelmill:problem:unknown-video"


def test_a_video_that_nobody_has_watched_is_like_none(api: httpx.Client, client: redis.Redis) -> None:
    assert ids(api, "v7") == []


def test_who_has_the_answer_already_is_told_so(api: httpx.Client, client: redis.Redis) -> None:
    first = api.get("/v1/videos/a/related")
    assert first.headers["cache-control"] == "public, max-age=60"
    again = api.get("/v1/videos/a/related", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_night_replaces_the_lists_of_those_before_it_and_none_of_later_ones(client: redis.Redis) -> None:
    assert [begin(client, night) for night in (NIGHT, LATER, LATER, NIGHT)] == [True, True, True, False]


def test_a_video_leaves_all_lists_and_its_own_goes(api: httpx.Client, client: redis.Redis, raw_redis: RawRedis) -> None:
    assert forget(client, {"a", "v0"}) == 2
    assert raw_redis.keys("related:*") == []
    write(client, [("b", ["v1", "v0"])])
    assert forget(client, {"v0"}) == 1
    assert ids(api, "b") == ["v1"]
    assert 0 < raw_redis.ttl("related:b") <= related.TTL_S


def test_a_list_takes_what_is_said_of_it(client: redis.Redis) -> None:
    write(client, [("0" * 32, [f"{n:032x}" for n in range(related.MOST)])])
    assert 600 < cast(int, client.memory_usage(f"related:{'0' * 32}")) <= 900
