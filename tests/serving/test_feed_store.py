"""Feeds in Redis: staged unseen, counted, made current at once, and never kept forever."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
import redis

from serving.feed_store.held import held
from serving.feed_store.layout import (
    GENERATIONS,
    MAX_SLOTS,
    NAME_BYTES,
    RETIRED_TTL_S,
    EmptyPublish,
    IncompletePublish,
    NothingStaged,
    OlderNight,
    UnknownVersion,
    is_stale,
    version_key,
)
from serving.feed_store.packed import unpack
from serving.feed_store.writer import FeedStore
from tests.serving.staging import write_feeds

if TYPE_CHECKING:
    from tests.serving.conftest import Publish, RawRedis

NIGHT = date(2024, 3, 1)


def slots(*video_ids: str) -> list[dict[str, object]]:
    return [{"video_id": video_id, "position": position} for position, video_id in enumerate(video_ids)]


def stored(raw_redis: RawRedis, key: bytes) -> object:
    return raw_redis.lrange(key, 0, -1) if key.endswith(b":fallback") else raw_redis.get(key.decode())


def feed_keys(raw_redis: RawRedis, version: str) -> list[bytes]:
    described = raw_redis.get(version_key(version))
    assert described is not None
    generation = described.split()[0].decode()
    return sorted(raw_redis.keys(f"feed:{generation}:*"))


def test_nothing_is_current_before_the_first_commit(store: FeedStore) -> None:
    assert store.current_version() is None
    assert store.versions() == []


def test_a_staged_version_is_not_current_until_it_is_committed(store: FeedStore) -> None:
    store.begin("v1")
    write_feeds(store, "v1", [("ann", slots("a"))])
    store.write_fallback("v1", slots("b"))
    assert store.current_version() is None
    store.commit("v1", 1)
    assert store.current_version() == "v1"


def test_a_publish_killed_halfway_never_becomes_visible_and_leaves_nothing_behind(
    store: FeedStore, raw_redis: RawRedis, publish: Publish
) -> None:
    publish("v1", {"ann": ["a"]})
    store.begin("v2")
    write_feeds(store, "v2", [("ann", slots("b")), ("bob", slots("c"))])
    assert store.current_version() == "v1"
    publish("v2", {"ann": ["b"]})  # the next attempt has fewer users; the dead one's must not count
    assert store.current_version() == "v2"
    assert len(raw_redis.keys("feed:*:u:{seen:bob}")) == 0


def test_a_commit_that_counts_another_number_of_feeds_leaves_the_pointer_where_it_was(
    store: FeedStore, publish: Publish
) -> None:
    publish("v1", {"ann": ["a"]})
    store.begin("v2")
    write_feeds(store, "v2", [("ann", slots("b"))])
    store.write_fallback("v2", slots("b"))
    with pytest.raises(IncompletePublish, match="v2 should hold 2 feeds and Redis holds 1"):
        store.commit("v2", 2)
    assert store.current_version() == "v1"


def test_a_feed_lost_between_write_and_commit_is_noticed(store: FeedStore, raw_redis: RawRedis) -> None:
    store.begin("v1")
    write_feeds(store, "v1", [("ann", slots("a")), ("bob", slots("a"))])
    store.write_fallback("v1", slots("b"))
    raw_redis.delete(*raw_redis.keys("feed:*:u:{seen:bob}"))
    with pytest.raises(IncompletePublish):
        store.commit("v1", 2)


def test_a_night_without_a_feed_of_anybodys_own_gives_everybody_the_fallback(store: FeedStore) -> None:
    store.begin("v1")
    store.write_fallback("v1", slots("a"))
    store.commit("v1", 0)
    assert store.current_version() == "v1"


def test_a_commit_without_a_fallback_is_an_error(store: FeedStore) -> None:
    store.begin("v1")
    write_feeds(store, "v1", [("ann", slots("a"))])
    with pytest.raises(EmptyPublish, match="write_fallback"):
        store.commit("v1", 1)


def test_an_empty_feed_is_an_error_that_names_its_user(store: FeedStore) -> None:
    store.begin("v1")
    with pytest.raises(EmptyPublish, match="ann"):
        write_feeds(store, "v1", [("ann", [])])


def test_writing_without_begin_is_an_error_that_says_so(store: FeedStore) -> None:
    with pytest.raises(NothingStaged, match=r"begin\('v1'\)"):
        write_feeds(store, "v1", [("ann", slots("a"))])


def test_publishing_a_version_twice_changes_nothing_a_reader_sees(
    store: FeedStore, raw_redis: RawRedis, publish: Publish
) -> None:
    publish("v1", {"ann": ["a", "b"], "bob": ["c"]})
    before = [stored(raw_redis, key) for key in feed_keys(raw_redis, "v1")]
    publish("v1", {"ann": ["a", "b"], "bob": ["c"]})
    assert [stored(raw_redis, key) for key in feed_keys(raw_redis, "v1")] == before
    assert store.versions() == ["v1"]


def for_ever(raw_redis: RawRedis) -> set[str]:
    return {key.decode() for key in raw_redis.keys("*") if raw_redis.ttl(key) < 0}


def what_is_current(raw_redis: RawRedis, version: str) -> set[str]:
    return {"feed:current", GENERATIONS, version_key(version), *(key.decode() for key in feed_keys(raw_redis, version))}


def test_what_is_current_has_no_time_to_live_and_all_else_has(
    store: FeedStore, raw_redis: RawRedis, publish: Publish
) -> None:
    publish("v1", {"ann": ["a"]})
    publish("v2", {"ann": ["b"]})
    store.begin("v3")
    write_feeds(store, "v3", [("ann", slots("c"))])
    assert for_ever(raw_redis) == what_is_current(raw_redis, "v2")
    assert all(0 < raw_redis.ttl(key) <= RETIRED_TTL_S for key in feed_keys(raw_redis, "v1"))


def test_what_a_killed_commit_left_goes_with_the_next_one(
    store: FeedStore, raw_redis: RawRedis, publish: Publish
) -> None:
    store.begin("v1")
    write_feeds(store, "v1", [("ann", slots("a"))])
    store._hold(store._staged("v1"))  # and killed: nothing of it has a time to live, and the pointer has not moved
    publish("v2", {"ann": ["b"]})
    assert for_ever(raw_redis) == what_is_current(raw_redis, "v2")


def test_rolling_back_makes_the_version_before_current_and_lets_the_other_go(
    store: FeedStore, raw_redis: RawRedis, publish: Publish
) -> None:
    publish("v1", {"ann": ["a"]})
    publish("v2", {"ann": ["b"]})
    store.rollback("v1")
    assert store.current_version() == "v1"
    assert for_ever(raw_redis) == what_is_current(raw_redis, "v1")
    store.rollback("v2")
    assert store.current_version() == "v2"
    assert for_ever(raw_redis) == what_is_current(raw_redis, "v2")


def test_a_rollback_that_was_killed_on_the_way_is_made_by_the_next(
    store: FeedStore, raw_redis: RawRedis, publish: Publish
) -> None:
    publish("v1", {"ann": ["a"], "bob": ["a"]})
    generation = (raw_redis.get(version_key("v1")) or b"").split()[0].decode()
    publish("v2", {"ann": ["b"]})
    store._hold(generation)  # and killed: none of its feeds has a time to live that could be taken
    for _ in range(2):  # what is current stays it
        store.rollback("v1")
        assert store.current_version() == "v1"
        assert for_ever(raw_redis) == what_is_current(raw_redis, "v1")


def test_an_older_night_is_not_made_current_unless_somebody_asks_for_it(
    store: FeedStore, raw_redis: RawRedis, publish: Publish
) -> None:
    publish("20240302.m", {"ann": ["new"]})
    assert store.is_older("20240301.z") and not store.is_older("20240302.a")
    store.begin("20240301.z")
    write_feeds(store, "20240301.z", [("ann", slots("old"))])
    store.write_fallback("20240301.z", slots("old"))
    with pytest.raises(OlderNight, match="20240302.m, which stays current"):
        store.commit("20240301.z", 1)
    assert store.current_version() == "20240302.m"
    assert for_ever(raw_redis) == what_is_current(raw_redis, "20240302.m")
    store.commit("20240301.z", 1, back=True)
    assert store.current_version() == "20240301.z"
    publish("20240302.m", {"ann": ["new"]})
    assert store.current_version() == "20240302.m"


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"\xff\xfe v1", b"no-hex-here1 v1", b"0123456789ab a b"])
def test_over_a_garbage_pointer_the_next_night_is_published(
    store: FeedStore, raw_redis: RawRedis, publish: Publish, garbage: bytes
) -> None:
    publish("20240301.m", {"ann": ["a"]})
    raw_redis.set("feed:current", garbage)
    assert store.current_version() is None
    publish("20240302.m", {"ann": ["a"]})
    assert store.current_version() == "20240302.m"
    assert for_ever(raw_redis) == what_is_current(raw_redis, "20240302.m")


def test_feeds_are_stale_when_a_newer_night_is_overdue() -> None:
    end_of_night = datetime(2024, 3, 2, tzinfo=UTC)
    assert not is_stale("20240301.m", end_of_night + timedelta(hours=29))
    assert is_stale("20240301.m", end_of_night + timedelta(hours=31))
    assert not is_stale("made by hand", end_of_night)


def test_an_older_night_does_not_rewrite_what_a_newer_one_says_of_a_video(
    store: FeedStore, raw_redis: RawRedis, publish: Publish
) -> None:
    old, new = date(2024, 3, 1), date(2024, 3, 2)
    assert store.write_videos([({"video_id": "a", "views": 9}, new)]) == 1
    assert store.write_videos([({"video_id": "a", "views": 1}, old), ({"video_id": "gone", "views": 5}, old)]) == 1
    assert raw_redis.get("video:a") == b'{"video_id":"a","views":9}'
    assert for_ever(raw_redis) == {"videos", "video:a", "video:gone"}
    # The newest night has no video "gone" any more; a page that is still open may ask for it.
    publish("20240302.m", {"ann": ["a"]})
    assert raw_redis.ttl("video:a") == -1
    assert 0 < raw_redis.ttl("video:gone") <= RETIRED_TTL_S


def test_rolling_back_to_a_version_that_is_gone_names_those_that_are_held(store: FeedStore, publish: Publish) -> None:
    publish("v1", {"ann": ["a"]})
    with pytest.raises(UnknownVersion, match="no feed version v0 is held; held: v1"):
        store.rollback("v0")


def test_rolling_back_to_a_version_that_has_partly_expired_is_refused(
    store: FeedStore, raw_redis: RawRedis, publish: Publish
) -> None:
    publish("v1", {"ann": ["a"], "bob": ["a"]})
    gone = next(key for key in feed_keys(raw_redis, "v1") if key.endswith(b"bob}"))
    publish("v2", {"ann": ["b"]})
    raw_redis.delete(gone)
    with pytest.raises(IncompletePublish, match="1 are left"):
        store.rollback("v1")
    assert store.current_version() == "v2"


def test_a_feed_is_capped(store: FeedStore, raw_redis: RawRedis, publish: Publish) -> None:
    publish("v1", {"ann": [str(n) for n in range(MAX_SLOTS + 1)]})
    (key,) = raw_redis.keys("feed:*:u:{seen:ann}")
    assert len(unpack(raw_redis.get(key.decode()) or b"")) == MAX_SLOTS


def test_more_users_than_fit_in_one_round_trip_are_all_counted(store: FeedStore, publish: Publish) -> None:
    publish("v1", {f"user{n}": ["a"] for n in range(1_234)})
    assert store.current_version() == "v1"


def test_two_stores_may_write_parts_of_one_version(server_url: str, store: FeedStore) -> None:
    store.begin("v1")
    with FeedStore(server_url) as partition:
        assert write_feeds(partition, "v1", [("ann", slots("a"))]) == 1
    write_feeds(store, "v1", [("bob", slots("b"))])
    store.write_fallback("v1", slots("c"))
    store.commit("v1", 2)
    assert store.current_version() == "v1"


def test_numpy_numbers_and_times_are_stored_as_plain_json(store: FeedStore, raw_redis: RawRedis) -> None:
    published_at = datetime(2018, 9, 24, tzinfo=UTC)
    store.write_videos(
        [({"video_id": "a", "views": np.int64(3), "share": np.float32(0.5), "published_at": published_at}, NIGHT)]
    )
    assert raw_redis.get("video:a") == b'{"video_id":"a","views":3,"share":0.5,"published_at":"2018-09-24T00:00:00Z"}'


def test_of_versions_that_are_held_it_is_said_what_they_take_and_when_they_go(
    raw_redis: RawRedis, publish: Publish
) -> None:
    client = cast(redis.Redis, raw_redis)
    assert held(client) == []
    publish("20240301.m", {"ann": ["a"]})
    publish("20240302.m", {f"user{n}": [f"video{m}" for m in range(200)] for n in range(20)})
    old, new = held(client)
    assert (old.version, old.night, old.viewers, old.is_current) == ("20240301.m", NIGHT, 1, False)
    assert old.expires is not None and 0 < old.expires.total_seconds() <= RETIRED_TTL_S
    assert (new.version, new.viewers, new.is_current, new.expires) == ("20240302.m", 20, True, None)
    assert 200 * (NAME_BYTES + 1) < new.bytes_per_viewer < 2_048
