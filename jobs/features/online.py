"""Takes entities out of Feast's online store, where a push would leave them until their time to live ends.

Belongs here: the keys of single entities in Redis. The nightly push of all: materialise.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import redis

from feature_repo.definitions import entity_keys, online_views
from jobs.features.store import KEY_FORMAT, PROJECT, online_url
from serving.feed_store.layout import HOME


def take_out(redis_url: str, ids: Mapping[str, Iterable[str]]) -> int:
    """Remove the entities with these ids, by the name of their key column, such as `user_id`; returns how many."""
    with redis.Redis.from_url(online_url(redis_url)) as client:
        # Feast takes seconds to import; a home whose features were never pushed has only the mark of its database.
        if not cast(int, client.dbsize()) - cast(int, client.exists(HOME)):
            return 0
        keys = [_key(column, one) for column in _columns() & ids.keys() for one in ids[column]]
        return cast(int, client.unlink(*keys)) if keys else 0


def _columns() -> set[str]:
    """The key columns of what is online, which is of one thing each."""
    return {column for contract in online_views().values() for column in entity_keys(contract)}


def _key(column: str, one: str) -> bytes:
    """The key under which Feast keeps all features of an entity."""
    from feast.infra.online_stores.helpers import _redis_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    return _redis_key(PROJECT, EntityKey(join_keys=[column], entity_values=[Value(string_val=one)]), KEY_FORMAT)
