"""Takes a person out of Redis: as a viewer what is theirs there, as a creator their videos and all slots with them.

Belongs here: which keys and which parts of their values name a person. Whoever does it has the lock of the job that
publishes, so that no feed is being written. Who asks for it: jobs/ops.

Of a feed single slots are blanked, so that pages that are open go on where they were. A list, such as the one for
strangers, loses them, though a cursor counts them: an open page may pass over as many.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import cast

import orjson
import redis
from redis.client import Pipeline

from serving.feed_store import former, refused, seen
from serving.feed_store.layout import (
    CHUNK,
    GENERATIONS,
    VIDEOS,
    WITHDRAWN,
    fallback_key,
    feed_key,
    feeds_of,
    json_of,
    name,
    packed_key,
    version_key,
    video_key,
    videos_key,
)
from serving.feed_store.packed import without
from serving.feed_store.scan import scan
from serving.feed_store.shapes import TrendingKind
from serving.feed_store.trending import list_key

# What a pattern of Redis takes for something else than itself.
_SPECIAL = re.compile(r"([*?\[\]\\^-])")


def forget_viewer(client: redis.Redis, viewer_id: str) -> int:
    """Remove a viewer's feeds of all versions, what they refused and were shown; returns how many keys."""
    known = refused.key(viewer_id), former.refused_key(viewer_id), seen.key(viewer_id)
    removed = sum(int(cast(int, client.unlink(key))) for key in known)
    versions = _versions(client)
    for key_of in (feed_key, former.feed_key):
        for keys in scan(client, key_of("*", _SPECIAL.sub(r"\\\1", viewer_id))):
            # An id may have a colon too, and end like another.
            theirs = [key for key in keys if key == key_of(_generation(key), viewer_id)]
            if key_of is former.feed_key:  # among ours such a key would be another viewer's
                theirs = [key for key in theirs if not client.exists(packed_key(_generation(key)))]
            removed += sum(_remove_feed(client, key, versions) for key in theirs)
    return removed


def forget_videos(client: redis.Redis, video_ids: Collection[str]) -> int:
    """Remove the cards of these videos, and every slot and refusal of them; returns how many cards and slots.

    It reads all feeds that are held.
    """
    if not video_ids:
        return 0
    with client.pipeline(transaction=False) as pipe:
        for video_id in video_ids:
            pipe.unlink(video_key(video_id))
        removed = sum(map(int, pipe.execute()))
    client.zrem(VIDEOS, *video_ids)  # then, since a card without it would never be let go
    client.zrem(WITHDRAWN, *video_ids)
    versions = _versions(client)
    for pattern in (f"{feeds_of('*')}*", fallback_key("*")):
        for keys in scan(client, pattern):
            for chunk in (keys[n : n + CHUNK] for n in range(0, len(keys), CHUNK)):
                removed += _remove_slots(client, chunk, video_ids, versions)
    for generation in generations(client):
        with client.pipeline(transaction=False) as pipe:
            for video_id in video_ids:
                pipe.unlink(videos_key(generation, name(video_id)))
            pipe.execute()
    for keys in scan(client, f"{refused.KEYS}*"):
        with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.srem(key, *video_ids)
            pipe.execute()
    return removed


def forget_trending(client: redis.Redis, video_ids: Collection[str]) -> int:
    """Remove these videos from the lists of what rises; returns how many items."""
    removed = 0
    for keys in scan(client, list_key(TrendingKind.VIDEOS, "*")):
        for key in keys:
            items = cast("list[bytes]", client.lrange(key, 0, -1))
            theirs = [item for item in items if orjson.loads(item)["id"] in video_ids]
            for item in theirs:
                client.lrem(key, 0, item)  # type: ignore[arg-type]
            removed += len(theirs)
    return removed


def generations(client: redis.Redis) -> set[str]:
    """All that are held, whether they are current or not, and perhaps some that were."""
    if known := cast("set[bytes]", client.smembers(GENERATIONS)):
        return {one.decode() for one in known}
    # The version before this one noted none.
    of_all = (packed_key("*"), fallback_key("*"))
    return {_generation(key) for pattern in of_all for keys in scan(client, pattern) for key in keys}


def note_generation(client: redis.Redis, generation: str) -> None:
    """Note one that has begun beside those that are held, and no others."""
    known = generations(client)
    gone = [one for one in known if not client.exists(packed_key(one)) and not client.exists(fallback_key(one))]
    with client.pipeline(transaction=True) as pipe:
        pipe.sadd(GENERATIONS, generation, *known)
        if gone:
            pipe.srem(GENERATIONS, *gone)
        pipe.execute()


def _remove_slots(client: redis.Redis, keys: Sequence[str], video_ids: Collection[str], versions: Sequence[str]) -> int:
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.get(key)
        replies = pipe.execute(raise_on_error=False)
    feeds = {key: reply for key, reply in zip(keys, replies, strict=True) if isinstance(reply, bytes)}
    lists = [key for key, reply in zip(keys, replies, strict=True) if isinstance(reply, redis.ResponseError)]
    removed = shorten(client, lists, video_ids, versions)
    names = {name(video_id) for video_id in video_ids}
    with client.pipeline(transaction=False) as pipe:
        for key, feed in feeds.items():
            shorter, taken, left = without(feed, names)
            if taken and not left:
                _remove_feed(client, key, versions)
            elif taken:
                pipe.set(key, shorter, keepttl=True, xx=True)  # what has just expired would stay for ever
            removed += taken
        pipe.execute()
    return removed


def shorten(client: redis.Redis, keys: Sequence[str], video_ids: Collection[str], versions: Sequence[str]) -> int:
    """Take slots out of lists: those for strangers, and feeds as an older version wrote them."""
    removed = 0
    for key in keys:
        slots = cast("list[bytes]", client.lrange(key, 0, -1))
        theirs = [slot for slot in slots if orjson.loads(json_of(slot))["video_id"] in video_ids]
        if theirs and len(theirs) == len(slots) and key != fallback_key(_generation(key)):
            _remove_feed(client, key, versions)
        else:
            for slot in theirs:
                client.lrem(key, 0, slot)  # type: ignore[arg-type]
        removed += len(theirs)
    return removed


def _remove_feed(client: redis.Redis, key: str, versions: Sequence[str]) -> bool:
    """Remove one feed, if it is there, and count it no more among those of its version, which a rollback compares.

    One after the other, since a Redis Cluster may have them in two places: killed in between, its version cannot be
    rolled back to, which says to publish it again.
    """
    if not client.unlink(key):
        return False
    generation = _generation(key)

    def count(pipe: Pipeline) -> None:
        counted = {one: cast("bytes | None", pipe.get(one)) or b"" for one in versions}
        pipe.multi()
        for one, raw in counted.items():
            held, _, viewers = raw.decode().partition(" ")
            if held == generation:
                pipe.set(one, f"{generation} {int(viewers) - 1}", keepttl=True)

    if versions:
        client.transaction(count, *versions)
    return True


def _versions(client: redis.Redis) -> list[str]:
    """The keys of all versions that are held."""
    former.take_over(client)
    return [key for keys in scan(client, version_key("*")) for key in keys]


def _generation(key: str) -> str:
    return key.split(":")[1]
