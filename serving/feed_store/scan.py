"""Looks for keys of Redis by a pattern.

Belongs here: going through all keys. What they are: layout.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import redis

_COUNT = 5_000


def scan(client: redis.Redis, pattern: str) -> Iterator[list[str]]:
    """The keys of a pattern, some at a time; one that is scanned twice may be there twice."""
    cursor = 0
    while True:
        cursor, keys = cast("tuple[int, list[bytes]]", client.scan(cursor, match=pattern, count=_COUNT))
        if keys:
            yield [key.decode() for key in keys]
        if cursor == 0:
            return
