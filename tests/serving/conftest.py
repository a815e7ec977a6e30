"""A real redis-server and a real HTTP server for the tests of this room.

Belongs here: what several of its files use.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, cast

import httpx
import pytest
import redis
import uvicorn
from fastapi import FastAPI

from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from serving.app import create_app
from serving.feed_store.writer import FeedStore
from tests.serving.staging import write_feeds

Serve = Callable[..., AbstractContextManager[httpx.Client]]
Publish = Callable[[str, dict[str, list[str]]], None]


class RawRedis(Protocol):
    """What a plain client answers; redis-py types every answer as one that might be awaited."""

    def delete(self, *names: bytes | str) -> int: ...
    def get(self, name: str) -> bytes | None: ...
    def info(self, section: str) -> dict[str, int]: ...
    def keys(self, pattern: str) -> list[bytes]: ...
    def llen(self, name: bytes) -> int: ...
    def lrange(self, name: bytes, start: int, end: int) -> list[bytes]: ...
    def set(self, name: str, value: bytes) -> bool: ...
    def ttl(self, name: bytes | str) -> int: ...


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_url(Settings(home=tmp_path_factory.mktemp("redis_home"))) as url:
        yield url


@pytest.fixture
def raw_redis(server_url: str) -> Iterator[RawRedis]:
    """The server, emptied, as a plain client that knows nothing of our layout."""
    with redis.Redis.from_url(server_url) as client:
        client.flushall()
        yield cast(RawRedis, client)


@pytest.fixture
def store(server_url: str, raw_redis: RawRedis) -> Iterator[FeedStore]:
    with FeedStore(server_url) as opened:
        yield opened


@pytest.fixture
def publish(store: FeedStore) -> Publish:
    """Publishes a version: each user's video ids, in order, and a fallback of 25 videos `<version>-top<n>`."""

    def slots(video_ids: list[str]) -> list[dict[str, object]]:
        return [{"video_id": video_id, "position": position} for position, video_id in enumerate(video_ids)]

    def publish(version: str, feeds: dict[str, list[str]]) -> None:
        store.begin(version)
        write_feeds(store, version, ((user_id, slots(video_ids)) for user_id, video_ids in feeds.items()))
        store.write_fallback(version, slots([f"{version}-top{n}" for n in range(25)]))
        store.commit(version, len(feeds))

    return publish


@contextmanager
def over_http(app: FastAPI) -> Iterator[httpx.Client]:
    """`app` behind a real socket, started and stopped as in production."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Starts the service over a Redis; media in tmp_path/media, events in tmp_path/events."""

    def serve(redis_url: str) -> AbstractContextManager[httpx.Client]:
        app = create_app(
            redis_url=redis_url,
            media=tmp_path / "media",
            events=tmp_path / "events",
            landing=tmp_path / "landing",
            secret="a secret",
        )
        return over_http(app)

    return serve


@pytest.fixture
def api(server_url: str, raw_redis: RawRedis, serve: Serve) -> Iterator[httpx.Client]:
    """The service over a Redis that was emptied."""
    with serve(server_url) as client:
        yield client
