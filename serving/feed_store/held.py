"""Which versions of feeds Redis holds, for people who decide what is served.

Belongs here: what there is to say of a version. Making one current: writer.py.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import chain, islice
from typing import NamedTuple, cast

import redis

from serving.feed_store import former
from serving.feed_store.layout import POINTER, Pointer, feeds_of, night_of, version_key
from serving.feed_store.scan import scan

# Feeds that are measured of each version: they differ by the lengths of ids and by how many words they have.
_SAMPLE = 200


class Held(NamedTuple):
    """A version that can be served: `expires` says in how long it goes, None while it stays; bytes with their keys."""

    version: str
    night: date | None
    viewers: int
    is_current: bool
    expires: timedelta | None
    bytes_per_viewer: float


def held(client: redis.Redis) -> list[Held]:
    """Every version that is held, by its name."""
    former.take_over(client)
    current = Pointer.parse(cast("bytes | None", client.get(POINTER)))
    found = []
    for key in sorted({key for keys in scan(client, version_key("*")) for key in keys}):
        raw, seconds = cast("bytes | None", client.get(key)), cast(int, client.ttl(key))
        if raw is None:  # it has just expired
            continue
        generation, viewers = raw.decode().split(" ")
        version = key.removeprefix(version_key(""))
        is_current = current == Pointer(generation, version)
        expires = None if seconds < 0 else timedelta(seconds=seconds)
        size = bytes_per_viewer(client, generation)
        found.append(Held(version, night_of(version), int(viewers), is_current, expires, size))
    return found


def bytes_per_viewer(client: redis.Redis, generation: str) -> float:
    """Bytes of Redis memory that one viewer's feed of a generation takes: key, value and overhead; a mean."""
    keys = islice(chain.from_iterable(scan(client, f"{feeds_of(generation)}*")), _SAMPLE)
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.memory_usage(key, samples=0)
        sizes = [size for size in pipe.execute() if size is not None]
    return sum(sizes) / len(sizes) if sizes else 0.0
