"""What may be listed no more is in no page from the next read on, though no feed is touched."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, cast

import httpx
import redis

from serving.feed_store import related, trending
from serving.feed_store.forgotten import generations
from serving.feed_store.hidden import hide
from serving.feed_store.layout import GENERATIONS, POINTER, fallback_key, packed_key
from serving.feed_store.shapes import TrendingKind
from serving.feed_store.writer import FeedStore

if TYPE_CHECKING:
    from tests.serving.conftest import Publish, RawRedis


def listed(api: httpx.Client, user_id: str, cursor: str | None = None) -> list[str]:
    answer = api.get(f"/v1/feed/{user_id}", params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
    rest = listed(api, user_id, answer["next_cursor"]) if answer["next_cursor"] else []
    return [slot["video_id"] for slot in answer["items"]] + rest


def test_what_is_limited_or_dropped_is_in_no_feed_on_the_next_read_and_an_open_page_goes_on(
    api: httpx.Client, publish: Publish, raw_redis: RawRedis
) -> None:
    publish("v1", {"ann": ["a", "b", "c", "d", "e"]})
    assert listed(api, "ann") == ["a", "b", "c", "d", "e"]
    first = api.get("/v1/feed/ann", params={"limit": 3}).json()
    hide(cast(redis.Redis, raw_redis), {"b": False, "d": True, "v1-top0": False})
    assert listed(api, "ann") == ["a", "c", "e"]
    assert listed(api, "ann", first["next_cursor"]) == ["e"]
    assert listed(api, "stranger")[:2] == ["v1-top1", "v1-top2"]
    publish("v2", {"ann": ["b", "a"]})
    assert listed(api, "ann") == ["b", "a"], "a night that lists it brings it back"


def test_versions_are_noted_while_they_are_held_and_found_where_nobody_noted_them(
    publish: Publish, raw_redis: RawRedis
) -> None:
    client = cast(redis.Redis, raw_redis)
    publish("v1", {"ann": ["a"]})
    publish("v2", {"ann": ["b"]})
    noted = generations(client)
    assert len(noted) == 2
    raw_redis.delete(GENERATIONS)
    assert generations(client) == noted, "as after the version before this one"
    current = raw_redis.get(POINTER) or b""
    (gone,) = (one for one in noted if not current.startswith(one.encode()))
    raw_redis.delete(packed_key(gone), fallback_key(gone))
    publish("v3", {"ann": ["c"]})
    assert len(generations(client)) == 2 and gone not in generations(client)


def test_what_is_limited_can_be_seen_by_its_link_and_what_is_dropped_cannot(
    api: httpx.Client, store: FeedStore, raw_redis: RawRedis
) -> None:
    client = cast(redis.Redis, raw_redis)
    card = {"user_id": "ann", "title": "", "hashtags": [], "duration": 1.0, "published_at": "2026-01-01T00:00:00Z"}
    store.write_videos([({"video_id": one, **card}, date(2026, 1, 1)) for one in ("limited", "dropped", "free")])
    items = [{"rank": n, "id": one} for n, one in enumerate(("limited", "dropped", "free"), 1)]
    trending.publish(client, TrendingKind.VIDEOS, datetime(2026, 1, 1, tzinfo=UTC), items)
    related.write(client, [("free", ["limited", "dropped"])])
    hide(client, {"limited": False, "dropped": True})
    assert [api.get(f"/v1/videos/{one}").status_code for one in ("limited", "dropped", "free")] == [200, 404, 200]
    assert [item["id"] for item in api.get("/v1/trending/videos").json()["items"]] == ["free"]
    assert api.get("/v1/videos/free/related").json()["items"] == []
