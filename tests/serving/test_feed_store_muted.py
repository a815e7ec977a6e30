"""What a viewer mutes is in none of their lists from the next page on, until a night builds feeds without it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
import redis

from serving.feed_store import refused
from serving.feed_store.writer import FeedStore
from tests.serving.staging import write_feeds

if TYPE_CHECKING:
    from tests.serving.conftest import RawRedis


def slot(video_id: str, user_id: str, *hashtags: str) -> dict[str, object]:
    return {"video_id": video_id, "user_id": user_id, "hashtags": list(hashtags)}


@pytest.fixture
def feeds(store: FeedStore) -> None:
    """ann has a feed, and ben none; the list for strangers is of the same creators."""
    anns = [slot("a", "cats inc", "cats"), slot("b", "cats inc"), slot("c", "dogs inc", "cats"), slot("d", "dogs inc")]
    top = [slot("top0", "cats inc"), slot("top1", "dogs inc", "cats"), slot("top2", "dogs inc")]
    card = {"title": "A", "duration": 1.0, "published_at": "2026-01-01T00:00:00Z", "views": 0, "likes": 0}
    store.write_videos([({**anns[0], **card, "playback_url": None, "poster_url": None}, date(2026, 1, 1))])
    store.begin("v1")
    write_feeds(store, "v1", [("ann", anns)])
    store.write_fallback("v1", [{**one, "position": place} for place, one in enumerate(top)])
    store.commit("v1", 1)


def mute(api: httpx.Client, user_id: str, **what: str) -> None:
    send(api, word(user_id, 0, **what))


def word(user_id: str, ago_s: int, **what: str) -> dict[str, str]:
    return {"user_id": user_id, "event_at": (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat(), **what}


def send(api: httpx.Client, *words: dict[str, str]) -> None:
    answer = api.post("/v1/events", json=words)
    assert answer.status_code == 202 and not answer.json()["rejected"]


def shown(api: httpx.Client, user_id: str) -> list[str]:
    return [one["video_id"] for one in api.get(f"/v1/feed/{user_id}").json()["items"]]


@pytest.mark.usefixtures("feeds")
def test_a_muted_creator_is_in_no_page_any_more_and_for_nobody_else(api: httpx.Client) -> None:
    assert shown(api, "ann") == ["a", "b", "c", "d"]
    mute(api, "ann", video_id="a", event_type="mute_creator")
    assert shown(api, "ann") == ["c", "d"]
    mute(api, "ben", video_id="a", event_type="mute_creator")
    assert shown(api, "ben") == ["top1", "top2"]
    assert shown(api, "cid") == ["top0", "top1", "top2"]


@pytest.mark.usefixtures("feeds")
def test_a_muted_hashtag_is_in_no_page_any_more_however_it_is_spelled(api: httpx.Client, raw_redis: RawRedis) -> None:
    mute(api, "ann", video_id="d", event_type="mute_hashtag", hashtag="#Cats")
    assert shown(api, "ann") == ["b"], "who says something of a video was shown it"
    assert isinstance(raw_redis, redis.Redis)
    assert raw_redis.smembers(refused.key("ann")) == {b"a", b"c", b"top1"}


@pytest.mark.usefixtures("feeds")
def test_a_mute_of_a_video_that_nobody_knows_and_an_unmute_leave_pages_as_they_are(api: httpx.Client) -> None:
    mute(api, "ben", video_id="gone", event_type="mute_creator")
    mute(api, "ben", video_id="a", event_type="unmute_creator")
    assert shown(api, "ben") == ["top0", "top1", "top2"]


def test_before_anything_is_published_a_mute_is_kept_all_the_same(api: httpx.Client) -> None:
    mute(api, "ann", video_id="a", event_type="mute_creator")


@pytest.mark.usefixtures("feeds")
def test_of_words_that_come_together_the_last_one_of_a_viewer_holds_in_whatever_order_they_are(
    api: httpx.Client,
) -> None:
    of_cats = {"video_id": "gone", "hashtag": "cats"}
    muted, unmuted = {"event_type": "mute_hashtag"}, {"event_type": "unmute_hashtag"}
    inc, no_inc = ({"video_id": "a", "event_type": one} for one in ("mute_creator", "unmute_creator"))
    send(
        api,
        word("ann", 1, **of_cats, **unmuted), word("ann", 2, **of_cats, **muted),
        word("ben", 2, **of_cats, **unmuted), word("ben", 1, **of_cats, **muted),
        word("cid", 2, **inc), word("cid", 1, **no_inc), word("dan", 1, **inc), word("dan", 2, **no_inc),
    )  # fmt: skip
    assert shown(api, "ann") == ["a", "b", "c", "d"]
    assert shown(api, "ben") == ["top0", "top2"]
    assert shown(api, "cid") == ["top0", "top1", "top2"]
    assert shown(api, "dan") == ["top1", "top2"]


@pytest.mark.usefixtures("feeds")
def test_a_thousand_mutes_cost_a_few_round_trips_and_many_viewers_some_for_each_25(
    api: httpx.Client, raw_redis: RawRedis
) -> None:
    def cost(*words: dict[str, str]) -> int:
        before = int(raw_redis.info("stats")["total_reads_processed"])
        send(api, *words)
        return int(raw_redis.info("stats")["total_reads_processed"]) - before

    # Redis reads what goes out together in pieces of 16 KB.
    of_one = [word("ann", n, video_id="gone", event_type="mute_hashtag", hashtag=f"h{n}") for n in range(999)]
    assert cost(*of_one, word("ann", 0, video_id="b", event_type="mute_hashtag", hashtag="cats")) < 20
    assert shown(api, "ann") == ["d"], "b was shown"
    assert cost(*(word(f"u{n}", 0, video_id="a", event_type="mute_creator") for n in range(100))) < 40
    assert {tuple(shown(api, f"u{n}")) for n in (0, 24, 25, 99)} == {("top1", "top2")}
