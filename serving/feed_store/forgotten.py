"""Takes a person out of Redis: as a viewer what is theirs there, as a creator their videos and all slots with them.

Belongs here: which keys and which parts of their values name a person. Whoever does it has the lock of the job that
publishes, so that no feed is being written. Who asks for it: jobs/ops.

A list loses single slots, though a cursor counts them: a page that is open while that happens may pass over as many.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import cast

import orjson
import redis
from redis.client import Pipeline

from serving.feed_store import refused, seen
from serving.feed_store.layout import CHUNK, VIDEOS, fallback_key, feed_key, json_of, version_key, video_key
from serving.feed_store.shapes import TrendingKind
from serving.feed_store.trending import list_key

_SCAN_COUNT = 5_000
# What a pattern of Redis takes for something else than itself.
_SPECIAL = re.compile(r"([*?\[\]\\^-])")


def forget_viewer(client: redis.Redis, viewer_id: str) -> int:
    """Remove a viewer's feeds of all versions, what they refused and were shown; returns how many keys."""
    removed = int(cast(int, client.unlink(refused.key(viewer_id), seen.key(viewer_id))))
    versions = _versions(client)
    for keys in _scan(client, feed_key("*", _SPECIAL.sub(r"\\\1", viewer_id))):
        # An id may have a colon too, and end like another.
        theirs = [key for key in keys if key == feed_key(_generation(key), viewer_id)]
        removed += sum(_remove_feed(client, key, versions) for key in theirs)
    return removed


def forget_videos(client: redis.Redis, video_ids: Collection[str]) -> int:
    """Remove the cards of these videos, and every slot and refusal of them; returns how many cards and slots.

    It reads all feeds that are held.
    """
    if not video_ids:
        return 0
    with client.pipeline(transaction=True) as pipe:
        pipe.zrem(VIDEOS, *video_ids)
        pipe.unlink(*map(video_key, video_ids))
        removed = int(pipe.execute()[1])
    versions = _versions(client)
    for pattern in (feed_key("*", "*"), fallback_key("*")):
        for keys in _scan(client, pattern):
            for chunk in (keys[n : n + CHUNK] for n in range(0, len(keys), CHUNK)):
                removed += _remove_slots(client, chunk, video_ids, versions)
    for keys in _scan(client, refused.key("*")):
        with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.srem(key, *video_ids)
            pipe.execute()
    return removed


def forget_trending(client: redis.Redis, video_ids: Collection[str]) -> int:
    """Remove these videos from the lists of what rises; returns how many items."""
    removed = 0
    for keys in _scan(client, list_key(TrendingKind.VIDEOS, "*")):
        for key in keys:
            items = cast("list[bytes]", client.lrange(key, 0, -1))
            theirs = [item for item in items if orjson.loads(item)["id"] in video_ids]
            for item in theirs:
                client.lrem(key, 0, item)  # type: ignore[arg-type]
            removed += len(theirs)
    return removed


def _remove_slots(client: redis.Redis, keys: Sequence[str], video_ids: Collection[str], versions: Sequence[str]) -> int:
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.lrange(key, 0, -1)
        feeds = dict(zip(keys, pipe.execute(), strict=True))
    removed = 0
    with client.pipeline(transaction=False) as pipe:
        for key, slots in feeds.items():
            theirs = [slot for slot in slots if orjson.loads(json_of(slot))["video_id"] in video_ids]
            if theirs and len(theirs) == len(slots) and key != fallback_key(_generation(key)):
                _remove_feed(client, key, versions)
            else:
                for slot in theirs:
                    pipe.lrem(key, 0, slot)
            removed += len(theirs)
        pipe.execute()
    return removed


def _remove_feed(client: redis.Redis, key: str, versions: Sequence[str]) -> bool:
    """Remove one feed, if it is there, and count it no more among those of its version, which a rollback compares."""
    generation = _generation(key)

    def remove(pipe: Pipeline) -> None:
        exists = pipe.exists(key)
        counted = {name: cast("bytes | None", pipe.get(name)) or b"" for name in versions}
        pipe.multi()
        if not exists:
            return
        pipe.unlink(key)
        for name, raw in counted.items():
            held, _, viewers = raw.decode().partition(" ")
            if held == generation:
                pipe.set(name, f"{generation} {int(viewers) - 1}", keepttl=True)

    return bool(client.transaction(remove, key, *versions))


def _versions(client: redis.Redis) -> list[str]:
    """The keys of all versions that are held."""
    return [key for keys in _scan(client, version_key("*")) for key in keys]


def _generation(key: str) -> str:
    return key.split(":")[1]


def _scan(client: redis.Redis, pattern: str) -> Iterator[list[str]]:
    """The keys of a pattern, some at a time; one that is scanned twice may be there twice."""
    cursor = 0
    while True:
        cursor, keys = cast("tuple[int, list[bytes]]", client.scan(cursor, match=pattern, count=_SCAN_COUNT))
        yield [key.decode() for key in keys]
        if cursor == 0:
            return
