"""The Redis of a home: the configured one, or an embedded redis-server that lives as long as somebody uses it.

Belongs here: sharing one server between commands, and keeping it up while they run. The server process:
redis_process.py. What is stored in it: serving/feed_store/ and feature_repo/.

Commands that run at the same time for one home share one server; whoever leaves last stops it, also when a SIGTERM
makes them leave. A server that dies is started again at the same port by whoever uses it: its clients only have to
connect again. Its data is an append-only file under `<home>/redis`, so feeds outlive the command that published them.
Two locks there do the work; the kernel drops them with their process, so that `kill -9` leaves nothing to clean up:

    door.lock      held exclusively while a command comes or goes, or starts a server
    users.lock     held shared by every command that uses the server; free for exclusive use = nobody is left
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jobs.errors import ReelmillError
from jobs.host import redis_process
from jobs.host.locks import FileLock
from jobs.host.redis_process import RedisServerStuck
from jobs.host.secret import secret
from jobs.host.signals import unwinding
from serving.feed_store.layout import HOME

if TYPE_CHECKING:
    from jobs.settings import Settings

_LOOK_EVERY_S = 0.25
_log = logging.getLogger(__name__)


class RedisOfAnother(ReelmillError):
    """The configured database of Redis has been taken by another home."""


@contextmanager
def redis_url(settings: Settings) -> Iterator[str]:
    """The URL of database 0 of this home's Redis, which answers for as long as the context is open.

    Raises RedisServerMissing or RedisServerStuck. A configured `settings.redis_url` is handed out as it is; raises
    RedisOfAnother where it belongs to another home.
    """
    if settings.redis_url is not None:
        take(settings.redis_url, settings)
        yield settings.redis_url
        return
    folder = (settings.home / "redis").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    users = os.open(folder / "users.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        with unwinding():
            try:
                with FileLock(folder / "door.lock"):
                    fcntl.flock(users, fcntl.LOCK_SH)
                    port = redis_process.running_port(folder) or redis_process.start(folder)
                with _kept_up(folder, port):
                    yield f"redis://127.0.0.1:{port}/0"
            finally:
                with FileLock(folder / "door.lock"):
                    if redis_process.try_lock(users):
                        redis_process.stop(folder)
    finally:
        os.close(users)


def take(url: str, settings: Settings) -> None:
    """Write down whose database of Redis this is: what one home publishes, another must not serve.

    Raises RedisOfAnother. A Redis that does not answer is for those to say who want something of it.
    """
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    ours = hashlib.sha256(f"redis {secret(settings)}".encode()).hexdigest()[:16]
    once = Retry(NoBackoff(), 0)
    with (
        suppress(redis.ConnectionError, redis.TimeoutError),
        redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5, retry=once) as client,
    ):
        client.set(HOME, ours, nx=True)
        if client.get(HOME) != ours.encode():
            place = urlsplit(url)
            database = f"Database {place.path.lstrip('/') or '0'} of the Redis at {place.hostname}:{place.port or 6379}"
            raise RedisOfAnother(
                f"{database} belongs to another home than {settings.home}. A home has two databases, that of "
                "REELMILL_REDIS_URL and the next: give each its own, as redis://.../2. If that home is gone, delete "
                f"the key {HOME!r} there."
            )


@contextmanager
def _kept_up(folder: Path, port: int) -> Iterator[None]:
    """A thread that looks after the server: dead, it is started again where its clients look for it."""
    leaving = threading.Event()

    def look_after() -> None:
        while not leaving.wait(_LOOK_EVERY_S):
            if redis_process.listens(port):
                continue
            try:
                with FileLock(folder / "door.lock"):
                    # Another user of the home may have been quicker.
                    if redis_process.running_port(folder) is None:
                        redis_process.start(folder, port)
                        _log.warning("redis-server had died and was started again on port %d", port)
            except (RedisServerStuck, OSError):
                _log.exception("redis-server died and cannot be started again; trying further")

    watcher = threading.Thread(target=look_after, name="redis-server", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        leaving.set()
        watcher.join()
