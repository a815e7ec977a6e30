"""Which night is served: always the newest, unless somebody asks for another one."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import orjson
import pytest
import redis

import data_contracts
from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.feeds import publish
from jobs.feeds.shown import shown
from jobs.feeds.visibility import apply
from jobs.host.locks import alone
from jobs.host.redis_server import redis_url
from serving.feed_store import refused

OLD, NEW = date(2024, 3, 1), date(2024, 3, 2)


def _fill(lake: Lake, table: str, *rows: dict[str, Any]) -> None:
    lake.merge(table, rows_of(lake.spark, table, rows))


def _slot(day: date, viewer: str, position: int, video: str) -> dict[str, Any]:
    of = {"user_id": viewer, "position": position, "video_id": video, "event_date": day, "score": 1.0}
    return of | {"feed_version": f"{day:%Y%m%d}.m", "model_version": "m", "reason": "why"}


@pytest.fixture
def platform(lake: Lake) -> Lake:
    """Two nights of feeds for ann and ben; ben's only video was withdrawn after the feeds were built."""
    maker = {"user_id": "maker", "title": "T", "hashtags": [], "source": "api"}
    published = {"published_at": datetime(2024, 2, 1, tzinfo=UTC), **maker}
    _fill(
        lake,
        "silver.videos",
        {"video_id": "a", "status": "published", **published},
        {"video_id": "b", "status": "published", **published},
        {"video_id": "withdrawn", "status": "rejected", "reason": "withdrawn", **published},
    )
    counts = {c.name: 0.0 if c.type == "double" else 0 for c in data_contracts.load("gold.video_daily").columns}
    first = datetime(2024, 2, 28, tzinfo=UTC)
    counted: dict[str, Any] = counts | {
        "video_id": "a",
        "first_view_date": first.date(),
        "last_view_date": first.date(),
    }
    _fill(
        lake,
        "gold.video_daily",
        counted | {"event_date": OLD, "valid_from": first + timedelta(days=3), "views_total": 1},
        counted | {"event_date": NEW, "valid_from": first + timedelta(days=4), "views_total": 2},
    )
    _fill(
        lake,
        "gold.feeds",
        *[_slot(day, viewer, 0, "withdrawn") for day in (OLD, NEW) for viewer in ("ann", "ben")],
        _slot(OLD, "ann", 1, "b"),
        _slot(NEW, "ann", 1, "a"),
    )
    lake.create("bronze.events")
    return lake


@pytest.fixture
def client(platform: Lake) -> Iterator[redis.Redis]:
    with redis_url(platform.settings) as url, redis.Redis.from_url(url) as client:
        yield client


def _anns(platform: Lake) -> list[tuple[int, str]]:
    """What is published for ann; nothing where she gets the feed for strangers."""
    feed = shown("ann", platform.settings)
    return [] if feed.is_fallback else [(slot["position"], slot["video_id"]) for slot in feed.slots]


def _views(client: redis.Redis) -> int:
    return int(orjson.loads(cast(bytes, client.get("video:a")))["views"])


def test_newer_nights_go_live_by_themselves_older_ones_when_asked_for_and_nothing_that_was_withdrawn_or_refused(
    platform: Lake, client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    publish.run(platform, Window.of_day(NEW))
    assert _anns(platform) == [(0, "a")], "one withdrawn video costs its slot, and its viewer's feed where it is all"
    assert _views(client) == 2

    # A backfill of the older night: its feeds are in the lake, and what people see stays.
    with caplog.at_level(logging.WARNING):
        publish.run(platform, Window.of_day(OLD))
    assert "reelmill feeds rebuild --night 2024-03-01" in caplog.text
    assert (_anns(platform), _views(client)) == ([(0, "a")], 2)

    publish.publish_again(platform, Window.of_day(OLD))
    assert _anns(platform) == [(0, "b")]
    assert _views(client) == 2, "what the newer night says of a video stays"

    with ThreadPoolExecutor() as threads:
        with alone(platform.settings, "feeds.publish"):
            rolled_back = threads.submit(publish.rollback, platform.settings, NEW)
            with pytest.raises(TimeoutError):
                rolled_back.result(0.2)
            assert _anns(platform) == [(0, "b")], "a publish that runs would end above what is rolled back to"
        assert rolled_back.result() == "20240302.m"
    assert _anns(platform) == [(0, "a")]
    with pytest.raises(publish.NightNotHeld, match=r"held: 2024-03-01, 2024-03-02.*rebuild --night 2024-02-01"):
        publish.rollback(platform.settings, date(2024, 2, 1))

    # What a viewer refuses after the feeds were built is not served either; who has nothing left gets the fallback.
    now = datetime(2024, 3, 3, tzinfo=UTC)
    refusal = {"event_id": "e", "event_type": "not_interested", "event_at": now, "received_at": now}
    _fill(
        platform,
        "bronze.events",
        refusal | {"user_id": "ann", "video_id": "a"},
        refusal | {"user_id": "stranger", "video_id": "b"},
        refusal | {"user_id": "ben", "video_id": "withdrawn", "event_type": "mute_creator"},
    )
    publish.run(platform, Window.of_day(NEW))
    assert _anns(platform) == []
    assert client.smembers(refused.key("stranger")) == {b"b"}, "what the endpoint leaves out of the feed for strangers"
    assert client.smembers(refused.key("ben")) == {b"a", b"b"}, "all of the creator whom they muted"

    # What a rule drops nobody is shown from the next read on.
    rules = platform.settings.home / "rules.yml"
    rules.write_text("rules: [{name: stolen, action: drop, videos: [a], why: somebody else's}]", encoding="utf-8")
    ruled = Lake(platform.spark, platform.settings.model_copy(update={"visibility": rules}))
    assert [slot["video_id"] for slot in shown("new", platform.settings).slots] == ["a", "b"]
    assert apply(ruled, now) == 1
    assert [slot["video_id"] for slot in shown("new", platform.settings).slots] == ["b"]
