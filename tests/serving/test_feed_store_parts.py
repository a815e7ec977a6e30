"""What slots share is fetched once, kept within bounds, and missed by nobody who needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
import redis

from serving.feed_store import parts
from serving.feed_store.layout import encode, name
from serving.feed_store.parts import Known
from tests.serving.test_feed_store_seen import TOP, page, report, rest, shown

if TYPE_CHECKING:
    import httpx

    from serving.feed_store.writer import FeedStore
    from tests.serving.conftest import Publish, RawRedis

THIRTY = [f"video{n}" for n in range(30)]


def test_pages_are_whole_when_less_is_kept_than_one_needs(
    api: httpx.Client, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MOST_BYTES", 2_000)
    publish("v1", {"ann": THIRTY, "ben": THIRTY[::-1]})
    for _ in range(3):
        assert rest(api, page(api, limit=7), limit=7) == THIRTY
        assert rest(api, page(api, user_id="ben", limit=20), "ben", limit=20) == THIRTY[::-1]


def test_what_is_kept_is_bounded_by_what_it_weighs_and_the_newest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MOST_BYTES", 100_000)
    kept = Known()
    for n in range(50):
        kept.keep({name(f"v{n}"): b"T" * 8_000})  # a title of 2,000 letters of four bytes
        kept.keep({name(f"v{n}"): b"T" * 8_000})  # two pages have asked for it at once
        assert sum(map(len, kept.values())) <= 100_000
    assert [*kept] == [name(f"v{n}") for n in range(50 - len(kept), 50)]
    assert len(kept) >= 10


def test_a_feed_has_as_many_words_as_slots_and_ids_of_any_script(api: httpx.Client, store: FeedStore) -> None:
    videos = [f"видео-{n}" for n in range(300)]
    store.begin("v1")
    store.write_parts("v1", [{"video_id": one} for one in videos])
    store.write_feeds("v1", [("анна", videos, [encode({"reason": f"потому {n}"}) for n in range(300)])])
    store.write_fallback("v1", [{"video_id": "top"}])
    store.commit("v1", 1)
    report(api, videos[290:291], "анна")
    found, cursor = [], None
    while answer := page(api, cursor, "анна", 100).json():
        found += answer["items"]
        if (cursor := answer["next_cursor"]) is None:
            break
    expected = [{"video_id": one, "position": n, "reason": f"потому {n}"} for n, one in enumerate(videos) if n != 290]
    assert found == expected


def test_what_many_feeds_say_is_written_once(store: FeedStore, raw_redis: RawRedis) -> None:
    def sets() -> int:
        return cast(redis.Redis, raw_redis).info("commandstats")["cmdstat_set"]["calls"]  # type: ignore[index, no-any-return]

    store.begin("v1")
    before = sets()
    for viewer_id in ("ann", "ben", "cid"):
        store.write_feeds("v1", [(viewer_id, THIRTY, [encode({"reason": "why"})] * 30)])
    assert sets() - before == 4


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


def test_who_gets_another_list_since_redis_lost_theirs_gets_it_without_what_they_refused_or_saw(
    api: httpx.Client, publish: Publish, raw_redis: RawRedis
) -> None:
    publish("v1", {"ann": THIRTY})
    report(api, [TOP[0]])
    report(api, [TOP[2]], event_type="not_interested")
    raw_redis.delete(*raw_redis.keys("feed:*:v:*"))
    assert shown(page(api, limit=3)) == [TOP[1], TOP[3], TOP[4]]
