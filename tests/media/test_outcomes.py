"""What creators are told while their clips are worked on, by a real Redis."""

from __future__ import annotations

import pytest
import redis

from jobs.host.redis_server import redis_url
from jobs.media.outcomes import say_processing, say_refused
from jobs.media.refusals import Reason
from jobs.settings import Settings

ROWS: list[dict[str, str | None]] = [
    {"upload_id": "long", "status": "rejected", "reason": f"{Reason.TOO_LONG}: 363 s, limit 180 s"},
    {"upload_id": "good", "status": "published", "reason": None},
]


def test_what_is_refused_is_told_with_its_reason_and_for_some_time(settings: Settings) -> None:
    with redis_url(settings) as url, redis.Redis.from_url(url) as client:
        say_processing(["long", "good"], settings)
        assert client.mget("outcome:long", "outcome:good") == [b"processing"] * 2
        say_refused(ROWS, settings)
        assert client.mget("outcome:long", "outcome:good") == [b"too_long: 363 s, limit 180 s", b"processing"]
        assert client.ttl("outcome:long") > client.ttl("outcome:good") > 0


def test_a_redis_that_is_away_keeps_no_clip_from_being_published_and_is_told_of(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    say_refused(ROWS, Settings(home=settings.home, redis_url="redis://127.0.0.1:1/0"))
    assert "creators are not told what becomes of their uploads" in caplog.text
