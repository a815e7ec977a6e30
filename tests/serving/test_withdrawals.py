"""Who made a video withdraws it: nothing that is read afterwards has it, whatever is written meanwhile."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import httpx
import pytest
import redis

from serving.feed_store import related, trending
from serving.feed_store.shapes import TrendingKind
from serving.feed_store.writer import FeedStore

if TYPE_CHECKING:
    from tests.serving.conftest import Publish, RawRedis

NIGHT = date(2026, 1, 1)


def card(video_id: str, user_id: str) -> dict[str, object]:
    return {"video_id": video_id, "user_id": user_id, "playback_url": "/media/5d41/master.m3u8"}


def shown(api: httpx.Client, path: str) -> list[str]:
    return [item.get("video_id") or item["id"] for item in api.get(path).raise_for_status().json()["items"]]


def withdraw(api: httpx.Client, video_id: str = "cats", user_id: str = "ann") -> httpx.Response:
    return api.delete(f"/v1/videos/{video_id}", params={"user_id": user_id})


@pytest.fixture
def cats(publish: Publish, store: FeedStore, raw_redis: RawRedis, tmp_path: Path) -> None:
    """ann has made cats, which plays, and is in a feed and in all lists beside dogs, the same clip by ben."""
    store.write_videos([(card("cats", "ann"), NIGHT), (card("dogs", "ben"), NIGHT)])
    publish("v1", {"eve": ["cats", "dogs"]})
    client = cast(redis.Redis, raw_redis)
    rising = [{"rank": n, "id": one} for n, one in enumerate(("cats", "dogs"), 1)]
    trending.publish(client, TrendingKind.VIDEOS, datetime(2026, 1, 1, tzinfo=UTC), rising)
    related.write(client, [("dogs", ["cats"])])
    (tmp_path / "media/5d41").mkdir(parents=True)
    (tmp_path / "media/5d41/master.m3u8").write_text("#EXTM3U\n")


@pytest.mark.usefixtures("cats")
def test_what_is_withdrawn_is_gone_on_the_next_read_and_an_event_says_so(api: httpx.Client, tmp_path: Path) -> None:
    lists = ("/v1/feed/eve", "/v1/trending/videos", "/v1/videos/dogs/related")
    assert [shown(api, one) for one in lists] == [["cats", "dogs"], ["cats", "dogs"], ["cats"]]
    assert [withdraw(api).status_code for _ in range(2)] == [204, 204]
    assert [shown(api, one) for one in lists] == [["dogs"], ["dogs"], []]
    assert api.get("/v1/videos/cats").status_code == 404
    assert api.get("/media/5d41/master.m3u8").status_code == 410
    (event,) = [
        json.loads(line) for file in (tmp_path / "events").glob("*.jsonl") for line in file.read_text().splitlines()
    ]
    assert (event["user_id"], event["video_id"], event["event_type"]) == ("ann", "cats", "withdraw")


@pytest.mark.usefixtures("cats")
def test_what_was_read_before_the_withdrawal_and_is_written_after_it_brings_nothing_back(
    api: httpx.Client, publish: Publish, store: FeedStore
) -> None:
    store.begin("v2")
    withdraw(api)
    store.write_videos([(card("cats", "ann"), NIGHT)])
    store.write_parts("v2", [{"video_id": one} for one in ("cats", "dogs")])
    store.write_feeds("v2", [("eve", ["cats", "dogs"], [b"{}", b"{}"])])
    store.write_fallback("v2", [{"video_id": one, "position": n} for n, one in enumerate(("cats", "dogs"))])
    store.commit("v2", 1)
    assert shown(api, "/v1/feed/eve") == shown(api, "/v1/feed/stranger") == ["dogs"]
    assert api.get("/v1/videos/cats").status_code == 404
    assert api.get("/media/5d41/master.m3u8").status_code == 410


@pytest.mark.usefixtures("cats")
def test_the_same_bytes_of_somebody_else_play_again_when_their_card_is_written(
    api: httpx.Client, store: FeedStore
) -> None:
    withdraw(api)
    store.write_videos([(card("dogs", "ben"), NIGHT)])
    assert api.get("/media/5d41/master.m3u8").status_code == 200


@pytest.mark.usefixtures("cats")
def test_nobody_withdraws_what_another_made_or_what_is_not_there(api: httpx.Client, tmp_path: Path) -> None:
    answers = [withdraw(api, user_id="ben"), withdraw(api, "mice"), api.delete("/v1/videos/cats")]
    assert [one.status_code for one in answers] == [403, 404, 422]
    assert answers[0].json()["type"] == "urn:reelmill:problem:not-your-video"
    now = datetime.now(UTC).isoformat()
    event = {"user_id": "ann", "video_id": "cats", "event_type": "withdraw", "event_at": now}
    assert "DELETE" in api.post("/v1/events", json=event).json()["rejected"][0]["reason"]
    assert shown(api, "/v1/feed/eve") == ["cats", "dogs"]
    assert not list((tmp_path / "events").glob("*.jsonl"))
