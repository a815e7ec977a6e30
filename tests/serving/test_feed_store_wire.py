"""The connection to a Redis that refuses: none is left open, and whoever asks whether pages can be served hears it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
import redis

from serving.feed_store.wire import AGAIN_S, Wire

if TYPE_CHECKING:
    from tests.serving.conftest import Publish, RawRedis, Serve


@pytest.fixture
def client(raw_redis: RawRedis) -> Iterator[redis.Redis]:
    client = cast(redis.Redis, raw_redis)
    yield client
    client.acl_deluser("limited")


def allowed(client: redis.Redis, server_url: str, *rules: str) -> str:
    """The address for somebody who may do all but this."""
    client.execute_command("ACL", "SETUSER", "limited", "on", ">word", "~*", "+@all", *rules)  # type: ignore[no-untyped-call]
    return server_url.replace("redis://", "redis://limited:word@")


def test_a_redis_that_refuses_the_first_question_is_left_alone_again(client: redis.Redis, server_url: str) -> None:
    async def connect() -> int:
        async with Wire(allowed(client, server_url, "-ping")):
            await asyncio.sleep(3 * AGAIN_S)
            found = cast("list[dict[str, Any]]", client.client_list())
            return sum(each["user"] == "limited" for each in found)

    assert asyncio.run(connect()) <= 1


def test_the_probe_is_not_green_where_every_page_is_refused(
    client: redis.Redis, server_url: str, serve: Serve, publish: Publish
) -> None:
    publish("v1", {"ann": ["a"]})
    with serve(allowed(client, server_url, "-smembers")) as api:
        assert api.get("/v1/feed/ann").headers["x-feed-source"] == "fallback"
        assert api.get("/readyz").status_code == 503
