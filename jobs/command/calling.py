"""Makes, shows and revokes API keys in the Redis of a home.

Belongs here: what the commands of groups/keys.py do. What a key is: serving/feed_store/api_keys.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis

from jobs.command import console
from jobs.errors import ReelmillError
from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from serving.feed_store import api_keys
from serving.feed_store.api_keys import Scope

COLUMNS = ("id", "name", "scopes", "per_minute", "created_at")


class UnknownKey(ReelmillError):
    """No key has this id."""


def create(settings: Settings, name: str, scopes: Sequence[str], per_minute: int) -> str:
    """Make a key; returns what its holder sends."""
    with _client(settings) as client:
        return api_keys.create(client, name, [Scope(scope) for scope in scopes], per_minute)[1]


def show(settings: Settings, as_json: bool) -> None:
    """Print the keys."""
    with _client(settings) as client:
        keys = api_keys.listed(client)
    rows = [(key.key_id, key.name, " ".join(key.scopes), str(key.per_minute), key.created_at) for key in keys]
    if as_json:
        console.print_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])
    else:
        console.table(COLUMNS, rows)


def revoke(settings: Settings, key_id: str) -> None:
    """Take a key away. Raises UnknownKey."""
    with _client(settings) as client:
        if not api_keys.revoke(client, key_id):
            raise UnknownKey(f"There is no API key {key_id!r}; `reelmill keys list` shows those that there are.")


@contextmanager
def _client(settings: Settings) -> Iterator[redis.Redis]:
    with redis_url(settings) as url, redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
        yield client
