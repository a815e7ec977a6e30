"""What slots share is fetched once, kept within bounds, and missed by nobody who needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
import redis

from serving.feed_store import parts
from serving.feed_store.layout import encode
from tests.serving.test_feed_store_seen import page, rest, shown

if TYPE_CHECKING:
    import httpx

    from serving.feed_store.writer import FeedStore
    from tests.serving.conftest import Publish, RawRedis

THIRTY = [f"video{n}" for n in range(30)]


def test_pages_are_whole_when_less_is_kept_than_one_needs(
    api: httpx.Client, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MOST", 10)
    publish("v1", {"ann": THIRTY, "ben": THIRTY[::-1]})
    for _ in range(3):
        assert rest(api, page(api, limit=7), limit=7) == THIRTY
        assert rest(api, page(api, user_id="ben", limit=20), "ben", limit=20) == THIRTY[::-1]


def test_what_a_version_says_of_a_video_is_what_it_was_though_a_newer_one_says_otherwise(
    api: httpx.Client, store: FeedStore
) -> None:
    for version, title in (("v1", "Old"), ("v2", "New")):
        store.begin(version)
        store.write_parts(version, [{"video_id": one, "title": title} for one in THIRTY])
        store.write_feeds(version, [("ann", THIRTY, [encode({"reason": f"why {n % 2}"}) for n in range(30)])])
        store.write_fallback(version, [{"video_id": "top"}])
        store.commit(version, 1)
        if version == "v1":
            first = page(api, limit=2)
    (slot, _) = first.json()["items"]
    assert slot == {"video_id": "video0", "title": "Old", "position": 0, "reason": "why 0"}
    second = page(api, first.json()["next_cursor"], limit=50).json()["items"]
    assert {slot["title"] for slot in second} == {"Old"}
    assert page(api, limit=1).json()["items"][0]["title"] == "New"


def test_a_part_that_redis_has_lost_costs_its_slot_until_it_is_back_and_nobody_an_empty_screen(
    api: httpx.Client, publish: Publish, raw_redis: RawRedis
) -> None:
    publish("v1", {"ann": THIRTY})
    client = cast(redis.Redis, raw_redis)
    kept = {key: client.get(key) for key in raw_redis.keys("feed:*:v:*")}
    lost = [key for key, value in kept.items() if b'"video1"' in cast(bytes, value)]
    raw_redis.delete(*lost)
    assert shown(page(api, limit=3)) == ["video0", "video2"]
    client.set(lost[0], cast(bytes, kept[lost[0]]))
    assert shown(page(api, limit=3)) == THIRTY[:3]
    publish("v2", {"ann": THIRTY})
    raw_redis.delete(*raw_redis.keys("feed:*:v:*"))
    assert page(api, limit=3).json()["is_fallback"] is True
