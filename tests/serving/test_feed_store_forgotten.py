"""Who is forgotten leaves Redis: their feeds, their videos in everybody's feeds, and what running endpoints hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest
import redis

from serving.feed_store import forgotten, packed, refused, trending
from serving.feed_store.forgotten import forget_trending, forget_videos, forget_viewer
from serving.feed_store.layout import name
from serving.feed_store.packed import unpack
from serving.feed_store.shapes import TrendingKind
from tests.serving.test_feed_store import NIGHT

if TYPE_CHECKING:
    import httpx

    from serving.feed_store.writer import FeedStore
    from tests.serving.conftest import Publish, RawRedis


@pytest.fixture
def client(raw_redis: RawRedis) -> redis.Redis:
    return cast(redis.Redis, raw_redis)


def owners(client: RawRedis) -> list[str]:
    return sorted(key.decode().split(":u:{seen:")[1][:-1] for key in client.keys("feed:*:u:*"))


def test_a_viewer_leaves_all_versions_and_what_they_refused_and_nobody_with_a_like_name_does(
    client: redis.Redis, raw_redis: RawRedis, store: FeedStore, publish: Publish
) -> None:
    publish("20240301.m", {"a*n": ["v"], "ann": ["v"], "u:a*n": ["v"]})
    publish("20240302.m", {"a*n": ["v"], "ann": ["v"]})
    store.refuse([("a*n", "v"), ("ann", "v")])
    assert forget_viewer(client, "a*n") == 3
    assert owners(raw_redis) == ["ann", "ann", "u:a*n"]
    assert raw_redis.keys("refused:*") == [b"refused:{seen:ann}"]
    assert forget_viewer(client, "a*n") == 0


def test_a_night_without_them_can_still_be_served_again(
    client: redis.Redis, store: FeedStore, publish: Publish
) -> None:
    publish("20240301.m", {"ann": ["v"], "ben": ["v"]})
    publish("20240302.m", {"ann": ["v"], "ben": ["v"]})
    forget_viewer(client, "ann")
    store.rollback("20240301.m")
    assert store.current_version() == "20240301.m"


def test_a_video_leaves_everybodys_feed_the_cards_and_the_refusals(
    client: redis.Redis, raw_redis: RawRedis, store: FeedStore, publish: Publish
) -> None:
    publish("20240301.m", {"ann": ["dogs", "cats", "cows"], "ben": ["cats"]})
    store.write_videos(({"video_id": video}, NIGHT) for video in ("cats", "dogs"))
    store.refuse([("ann", "cats"), ("ann", "dogs")])
    assert forget_videos(client, {"cats"}) == 3
    assert owners(raw_redis) == ["ann"]
    (key,) = raw_redis.keys("feed:*:u:{seen:ann}")
    feed = unpack(raw_redis.get(key.decode()) or b"")
    assert feed.videos() == [name("dogs"), bytes(6), name("cows")]
    assert len(raw_redis.keys("feed:*:v:*")) == 2
    assert client.smembers(refused.key("ann")) == {b"dogs"}
    assert (raw_redis.keys("video:*"), client.zrange("videos", 0, -1)) == ([b"video:dogs"], [b"dogs"])
    # Of ben's feed nothing was left, and the night counts it no more.
    store.rollback("20240301.m")
    assert forget_videos(client, {"cats"}) == 0


def test_a_video_leaves_what_a_killed_publish_has_left(
    client: redis.Redis, raw_redis: RawRedis, store: FeedStore
) -> None:
    store.begin("20240301.m")
    store.write_parts("20240301.m", [{"video_id": "cats", "title": "Cats"}])
    forget_videos(client, {"cats"})
    assert raw_redis.keys("feed:*:v:*") == []


def test_a_feed_that_expires_while_a_video_is_taken_out_does_not_come_back(
    client: redis.Redis, raw_redis: RawRedis, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    def expires(value: bytes, videos: set[bytes]) -> tuple[bytes, int, int]:
        raw_redis.delete(*raw_redis.keys("feed:*:u:*"))
        return packed.without(value, videos)

    publish("20240301.m", {"ann": ["dogs", "cats"]})
    monkeypatch.setattr(forgotten, "without", expires)
    forget_videos(client, {"cats"})
    assert owners(raw_redis) == []


def test_a_video_leaves_the_lists_of_what_rises(client: redis.Redis, raw_redis: RawRedis) -> None:
    for kind in TrendingKind:
        trending.publish(client, kind, datetime(2026, 1, 5, 9, tzinfo=UTC), [{"id": "cats"}, {"id": "dogs"}])
    assert forget_trending(client, {"cats"}) == 1
    assert sorted(raw_redis.llen(key) for key in raw_redis.keys("trending:*:*")) == [1, 2, 2]


def test_strangers_are_shown_it_no_more_by_an_endpoint_that_has_their_feed_in_memory(
    client: redis.Redis, api: httpx.Client, publish: Publish
) -> None:
    publish("v1", {"ann": ["v"]})

    def shown() -> list[str]:
        first = api.get("/v1/feed/stranger", params={"limit": 2}).json()
        second = api.get("/v1/feed/stranger", params={"limit": 2, "cursor": first["next_cursor"]}).json()
        return [slot["video_id"] for page in (first, second) for slot in page["items"]]

    assert shown() == ["v1-top0", "v1-top1", "v1-top2", "v1-top3"]
    forget_videos(client, {"v1-top1", "v1-top3"})
    assert shown() == ["v1-top0", "v1-top2", "v1-top4", "v1-top5"]


def test_an_open_page_goes_on_where_it_was_without_what_was_removed_meanwhile(
    client: redis.Redis, api: httpx.Client, publish: Publish
) -> None:
    publish("v1", {"ann": [f"v{n}" for n in range(8)]})
    first = api.get("/v1/feed/ann", params={"limit": 3}).json()
    forget_videos(client, {"v1", "v4"})
    second = api.get("/v1/feed/ann", params={"limit": 9, "cursor": first["next_cursor"]}).json()
    assert [(slot["position"], slot["video_id"]) for slot in second["items"]] == [(n, f"v{n}") for n in (3, 5, 6, 7)]
