"""API keys in Redis: who may call the endpoint, for what and how often; of their secrets only the hashes.

Belongs here: their keys and values in Redis, and making and revoking them. Heeding them: serving/api_keys.py. The
command: jobs/command/groups/keys.py.

    api-keys                       hash     the keys by their ids, each an encoded JSON object
    api-keys:version               string   another with each change, by which endpoints know when to read the hash
    api-keys:used:<id>:<minute>    string   how many requests came with the key in that minute, over all endpoints

A key is `rm_<id>_<secret>`: 256 random bits, of which a plain SHA-256 gives nothing away, however many are tried.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import cast

import orjson
import redis

from serving.feed_store.wire import Script

KEYS = "api-keys"
VERSION = "api-keys:version"
WINDOW_S = 60
# Counted in Redis: the number before, and after, what an endpoint adds for a minute.
COUNT = Script(f"""
local used = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], {2 * WINDOW_S})
return used
""")


class Scope(StrEnum):
    """What a key is good for."""

    READ = "read"
    EVENTS = "events"
    UPLOAD = "upload"


@dataclass(frozen=True)
class ApiKey:
    """One key, without its secret. `per_minute` counts requests."""

    key_id: str
    name: str
    digest: str
    scopes: tuple[Scope, ...]
    per_minute: int
    created_at: str


def create(client: redis.Redis, name: str, scopes: Iterable[Scope], per_minute: int) -> tuple[ApiKey, str]:
    """Make a key; returns it and, for this once, what its holder sends."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    made = ApiKey(key_id, name, digest(secret), tuple(scopes), per_minute, created_at)
    with client.pipeline(transaction=True) as pipe:
        pipe.hset(KEYS, key_id, orjson.dumps(asdict(made)).decode())
        pipe.set(VERSION, _another())
        pipe.execute()
    return made, f"rm_{key_id}_{secret}"


def revoke(client: redis.Redis, key_id: str) -> bool:
    """Take a key away; returns whether there was one."""
    with client.pipeline(transaction=True) as pipe:
        pipe.hdel(KEYS, key_id)
        pipe.set(VERSION, _another())
        return bool(pipe.execute()[0])


def listed(client: redis.Redis) -> list[ApiKey]:
    """All keys, the oldest first."""
    return sorted(parsed(cast("dict[bytes, bytes]", client.hgetall(KEYS))).values(), key=lambda key: key.created_at)


def parsed(values: Mapping[bytes, bytes]) -> dict[str, ApiKey]:
    """The keys by their ids, as Redis has them."""
    found = (orjson.loads(value) for value in values.values())
    keys = (ApiKey(**{**fields, "scopes": tuple(map(Scope, fields["scopes"]))}) for fields in found)
    return {key.key_id: key for key in keys}


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _another() -> str:
    """Drawn, since a count would come to where it was when Redis was emptied and keys were made anew."""
    return secrets.token_hex(8)


def used_key(key_id: str, minute: int) -> str:
    return f"{KEYS}:used:{key_id}:{minute}"
