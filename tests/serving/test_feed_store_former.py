"""What the version before this one wrote is read, rolled back to and forgotten, until it has gone by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import httpx
import orjson
import pytest
import redis

from serving.feed_store import refused
from serving.feed_store.forgotten import forget_videos, forget_viewer
from serving.feed_store.layout import LEAVING, RETIRED_TTL_S, mark
from tests.serving.test_feed_store_seen import TOP, page, report, rest, shown

if TYPE_CHECKING:
    from serving.feed_store.writer import FeedStore
    from tests.serving.conftest import Publish, RawRedis

THIRTY = [f"video{n}" for n in range(30)]
GENERATION = "0123456789ab"


def slot(video_id: str, position: int) -> dict[str, object]:
    return {
        "video_id": video_id, "position": position, "score": 0.5, "reason": "why", "title": "T", "user_id": "maker",
        "propensity": None,
    }  # fmt: skip


@pytest.fixture(params=[True, False], ids=["with marks", "without"])
def client(request: pytest.FixtureRequest, raw_redis: RawRedis) -> redis.Redis:
    """A Redis in which that version has published feeds of ann and ben."""
    client = cast(redis.Redis, raw_redis)

    def write(key: str, video_ids: list[str]) -> None:
        slots = [orjson.dumps(slot(*each)) for each in zip(video_ids, range(50), strict=False)]
        client.rpush(key, *[mark(v) + s if request.param else s for v, s in zip(video_ids, slots, strict=True)])

    write(f"feed:{GENERATION}:u:ann", THIRTY)
    write(f"feed:{GENERATION}:u:ben", ["video3"])
    write(f"feed:{GENERATION}:fallback", TOP)
    client.set("feed:current", f"{GENERATION} v1")
    client.set("feed:version:v1", f"{GENERATION} 2")
    return client


def test_its_feeds_are_read_like_ours_without_what_was_shown_or_refused(client: redis.Redis, api: httpx.Client) -> None:
    expected = slot("video0", 0)
    del expected["score"]
    assert page(api, limit=1).json()["items"] == [expected]
    report(api, [THIRTY[1], TOP[1]])
    report(api, [THIRTY[2]], event_type="report")
    report(api, [TOP[1]], "stranger")
    assert rest(api, page(api)) == [THIRTY[0], *THIRTY[3:]]
    assert rest(api, page(api, user_id="stranger"), "stranger") == [TOP[0], *TOP[2:]]


def test_what_was_refused_before_is_left_out_before_and_after_this_version_publishes(
    client: redis.Redis, api: httpx.Client, publish: Publish
) -> None:
    client.sadd("refused:ann", THIRTY[0])
    report(api, [THIRTY[1]], event_type="report")
    assert shown(page(api))[0] == THIRTY[2]
    publish("v2", {"ann": THIRTY})
    assert shown(page(api))[0] == THIRTY[2]
    assert client.smembers(refused.key("ann")) == {b"video0", b"video1"}


def test_its_open_pages_go_on_when_this_version_publishes_and_it_can_be_rolled_back_to(
    client: redis.Redis, api: httpx.Client, store: FeedStore, publish: Publish
) -> None:
    client.sadd("feed:leaving", "00000000dead")
    first = page(api)
    publish("v2", {"ann": THIRTY[::-1]})
    assert rest(api, first) == THIRTY
    assert shown(page(api))[0] == THIRTY[-1]
    assert client.smembers(LEAVING) == set()
    assert all(0 < cast(int, client.ttl(key)) <= RETIRED_TTL_S for key in client.keys(f"feed:{GENERATION}:*"))  # type: ignore[union-attr]
    assert store.versions() == ["v1", "v2"]
    store.rollback("v1")
    assert rest(api, page(api)) == THIRTY


def test_who_made_a_video_leaves_its_feeds_too(client: redis.Redis, api: httpx.Client, store: FeedStore) -> None:
    assert forget_videos(client, {"video3"}) == 2
    assert rest(api, page(api)) == [*THIRTY[:3], *THIRTY[4:]]
    assert client.exists(f"feed:{GENERATION}:u:ben") == 0
    store.rollback("v1")
    client.sadd("refused:ann", "a")
    assert forget_viewer(client, "ann") == 2
    store.rollback("v1")
