"""What rises, over real HTTP from a real Redis: pages of one list, whatever is published meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
import redis

from serving.feed_store.shapes import TrendingKind
from serving.feed_store.trending import STALE_AFTER, TTL_S, publish
from serving.feed_store.writer import FeedStore

if TYPE_CHECKING:
    from tests.serving.conftest import RawRedis

NINE = datetime(2024, 3, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
TAGS = [f"tag{n}" for n in range(25)]


def items(*ids: str) -> list[dict[str, object]]:
    return [{"rank": n, "id": id, "score": 9.5 - n, "people": 40, "reason": "why"} for n, id in enumerate(ids, 1)]


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


@pytest.fixture
def client(server_url: str, raw_redis: RawRedis) -> redis.Redis:
    return redis.Redis.from_url(server_url)


def test_a_list_says_as_of_when_it_is_and_why_each_item_is_there(api: httpx.Client, client: redis.Redis) -> None:
    publish(client, TrendingKind.HASHTAGS, NINE, items("cats"))
    answer = api.get("/v1/trending/hashtags")
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.json() == {
        "kind": "hashtags",
        "as_of": "2024-03-01T09:00:00Z",
        "is_stale": True,
        "items": [{"rank": 1, "id": "cats", "score": 8.5, "people": 40, "reason": "why"}],
        "next_cursor": None,
    }


def test_a_list_is_stale_once_later_ones_should_have_come(api: httpx.Client, client: redis.Redis) -> None:
    for ago, is_stale in ((STALE_AFTER + HOUR, True), (STALE_AFTER - HOUR, False)):
        publish(client, TrendingKind.HASHTAGS, datetime.now(UTC) - ago, items("cats"))
        assert api.get("/v1/trending/hashtags").json()["is_stale"] is is_stale


def test_a_video_comes_with_its_card_and_one_that_was_withdrawn_leaves(
    api: httpx.Client, client: redis.Redis, store: FeedStore
) -> None:
    store.write_videos([({"video_id": "v2", "title": "T"}, NINE.date())])
    publish(client, TrendingKind.VIDEOS, NINE, items("v1", "v2"))
    (item,) = api.get("/v1/trending/videos").json()["items"]
    assert (item["rank"], item["id"], item["video"]) == (2, "v2", {"video_id": "v2", "title": "T"})


def test_a_list_whose_last_videos_were_withdrawn_ends_before_them(
    api: httpx.Client, client: redis.Redis, store: FeedStore
) -> None:
    store.write_videos([({"video_id": "v1"}, NINE.date())])
    publish(client, TrendingKind.VIDEOS, NINE, items("v1", "v2"))
    first = api.get("/v1/trending/videos", params={"limit": 1})
    last = api.get("/v1/trending/videos", params={"limit": 1, "cursor": first.json()["next_cursor"]})
    assert (ids(first), ids(last), last.json()["next_cursor"]) == (["v1"], [], None)


@pytest.mark.parametrize("limit", [1, 7, 25, 50])
def test_pages_are_of_one_list_although_an_hour_is_published_in_between(
    api: httpx.Client, client: redis.Redis, limit: int
) -> None:
    publish(client, TrendingKind.HASHTAGS, NINE, items(*TAGS))
    answer = api.get("/v1/trending/hashtags", params={"limit": limit})
    seen = ids(answer)
    publish(client, TrendingKind.HASHTAGS, NINE + HOUR, items("dogs"))
    while (cursor := answer.json()["next_cursor"]) is not None:
        answer = api.get("/v1/trending/hashtags", params={"limit": limit, "cursor": cursor})
        seen += ids(answer)
    assert seen == TAGS
    assert ids(api.get("/v1/trending/hashtags")) == ["dogs"]


def test_an_hour_that_is_done_again_never_replaces_a_later_one(api: httpx.Client, client: redis.Redis) -> None:
    assert publish(client, TrendingKind.HASHTAGS, NINE + HOUR, items("dogs"))
    assert not publish(client, TrendingKind.HASHTAGS, NINE, items("cats"))
    assert ids(api.get("/v1/trending/hashtags")) == ["dogs"]
    assert publish(client, TrendingKind.HASHTAGS, NINE + HOUR, items("birds"))
    assert ids(api.get("/v1/trending/hashtags")) == ["birds"]


def test_where_nothing_rises_the_list_is_empty_and_that_is_no_error(api: httpx.Client, client: redis.Redis) -> None:
    publish(client, TrendingKind.HASHTAGS, NINE, items("cats"))
    publish(client, TrendingKind.HASHTAGS, NINE + HOUR, [])
    assert ids(api.get("/v1/trending/hashtags")) == []


def test_before_the_first_hour_it_says_so_and_when_to_ask_again(api: httpx.Client) -> None:
    answer = api.get("/v1/trending/videos")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert answer.json()["type"] == "urn:reelmill:problem:no-list-published"


def test_a_cursor_belongs_to_its_list_and_ends_with_it(
    api: httpx.Client, client: redis.Redis, raw_redis: RawRedis
) -> None:
    publish(client, TrendingKind.HASHTAGS, NINE, items(*TAGS))
    publish(client, TrendingKind.VIDEOS, NINE, items(*TAGS))
    cursor = api.get("/v1/trending/hashtags").json()["next_cursor"]
    for path in ("/v1/trending/videos", "/v1/feed/hashtags"):
        assert api.get(path, params={"cursor": cursor}).status_code == 400
    (key,) = raw_redis.keys("trending:hashtags:*")
    raw_redis.delete(key)
    answer = api.get("/v1/trending/hashtags", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"]) == (410, "urn:reelmill:problem:cursor-expired")


def test_nothing_of_a_list_stays_forever(client: redis.Redis, raw_redis: RawRedis) -> None:
    publish(client, TrendingKind.HASHTAGS, NINE, items("cats"))
    keys = raw_redis.keys("trending:*")
    assert len(keys) == 2 and all(0 < raw_redis.ttl(key) <= TTL_S for key in keys)


@pytest.mark.parametrize(
    "path", ["/v1/trending/creators", "/v1/trending/videos?limit=0", "/v1/trending/videos?limit=101"]
)
def test_what_there_is_no_list_of_is_a_problem_that_says_what_there_is(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 422 and answer.json()["errors"]
