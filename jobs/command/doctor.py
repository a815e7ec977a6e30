"""Says what this machine has of what Reelmill needs, and how to get the rest.

Belongs here: finding and telling. Each part is found by the module that uses it.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from jobs.errors import ReelmillError
from jobs.host import java, needs, npm
from jobs.settings import Settings

# Every package of ours that loads native code, so that a missing library of the system is found here and not in a job.
NATIVE = ("av", "confluent_kafka", "deltalake", "duckdb", "lightgbm", "numpy", "orjson", "pyarrow", "scipy", "usearch")


@dataclass(frozen=True)
class Finding:
    """One thing that is needed: what was found, or how to get it."""

    what: str
    found: bool
    detail: str


def examine(settings: Settings) -> list[Finding]:
    """Look at everything once; nothing is started or changed."""
    checks: list[tuple[str, Callable[[Settings], tuple[bool, str]]]] = [
        ("Python 3.11", _python),
        ("Java 17 or 21", _java),
        ("Native libraries", _libraries),
        ("Spark's jars", _jars),
        ("Web player", _player),
        ("FFmpeg", _ffmpeg),
        ("Redis", _redis),
        ("Events", _events),
        ("Home", _home),
        ("Memory and cores", _machine),
    ]
    return [Finding(what, *check(settings)) for what, check in checks]


def _python(settings: Settings) -> tuple[bool, str]:
    version = ".".join(map(str, sys.version_info[:3]))
    return sys.version_info[:2] == (3, 11), f"{version} at {sys.executable}"


def _java(settings: Settings) -> tuple[bool, str]:
    found = java.find()
    return (True, f"{found.version} at {found.home}") if found else (False, str(java.JavaMissing()))


def _libraries(settings: Settings) -> tuple[bool, str]:
    # Loaded, not looked for: a wheel that is there may still lack a library of the system.
    for name in NATIVE:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:
            how = needs.apt_line(needs.missing()) if needs.missing() else "make setup"
            return False, f"{name} does not load: {error}. Run `{how}`."
    return True, f"{', '.join(NATIVE)} load"


def _jars(settings: Settings) -> tuple[bool, str]:
    from jobs.engine.spark import jars

    try:
        return True, f"{len(jars(settings))} in {settings.jars}"
    except ReelmillError as missing:
        return False, str(missing)


def _player(settings: Settings) -> tuple[bool, str]:
    script = f"{npm.HLS.name} {npm.HLS.version}"
    if npm.is_there(npm.HLS, npm.PLAYER):
        return True, f"{script} in {npm.PLAYER}"
    return False, f"{script} is not in {npm.PLAYER}. Run `reelmill setup`, which fetches it once."


def _ffmpeg(settings: Settings) -> tuple[bool, str]:
    import imageio_ffmpeg

    try:
        path = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as missing:
        return False, f"{missing} Run `make setup`; its wheel brings one."
    output = subprocess.run([path, "-version"], capture_output=True, text=True).stdout
    return True, f"{output.split(' Copyright')[0]} at {path}"


def _redis(settings: Settings) -> tuple[bool, str]:
    if settings.redis_url:
        return _answers(settings.redis_url)
    from jobs.host.redis_process import executable

    try:
        return True, f"embedded, {executable()}"
    except ReelmillError as missing:
        return False, str(missing)


def _answers(url: str) -> tuple[bool, str]:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    address = urlsplit(url)
    # What the doctor says is shown to others: without the password.
    said = f"{address._replace(netloc=address.netloc.rpartition('@')[2]).geturl()} (REELMILL_REDIS_URL)"
    once = Retry(NoBackoff(), 0)
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5, retry=once) as client:
            client.ping()
    except redis.RedisError as error:
        return False, f"{said} does not answer: {error}"
    return True, said


def _events(settings: Settings) -> tuple[bool, str]:
    if settings.topic is None:
        return True, f"a spool of files, {settings.spool}"
    from jobs.arrivals import kafka

    try:
        found = kafka.look(settings.topic)
    except ReelmillError as away:
        return False, str(away)
    return True, f"the topic {settings.topic}, " + (
        f"of {len(found.ends)} partitions" if found else "which the first event makes"
    )


def _home(settings: Settings) -> tuple[bool, str]:
    there = next(p for p in (settings.home, *settings.home.parents) if p.exists())
    free = shutil.disk_usage(there).free / 2**30
    if not os.access(there, os.W_OK):
        return False, f"{settings.home} cannot be written to; set REELMILL_HOME to a folder that can"
    return free > 5, f"{settings.home}, {free:.0f} GiB free" + ("" if free > 5 else "; 5 GiB are needed")


def _machine(settings: Settings) -> tuple[bool, str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    enough = memory >= 6
    return enough, f"{memory:.0f} GiB, {os.cpu_count()} cores" + ("" if enough else "; 6 GiB are needed")
