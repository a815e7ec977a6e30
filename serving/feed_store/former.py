"""Feeds that an older version of the platform wrote: lists of whole slots, and keys of then.

Belongs here: reading them like what is written today. Two days after the first publish by this version none is left,
but where that platform still publishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import orjson
import redis

from serving.feed_store import refused
from serving.feed_store.layout import LEAVING, MARK_BYTES, encode, feeds_of, json_of, mark, version_key
from serving.feed_store.scan import scan

_VERSIONS, _LEAVING = "feed:version:", "feed:leaving"
# What a slot says no more.
_LEFT_OUT = "score"


def feed_key(generation: str, viewer_id: str) -> str:
    return f"{feeds_of(generation)}{viewer_id}"


def refused_key(viewer_id: str) -> str:
    return f"{refused.KEYS}{viewer_id}"


def page(slots: Sequence[bytes], hidden: bytes, start: int, limit: int) -> tuple[bytes, int]:
    """Encoded slots from `start` on, joined by commas, and where the next page begins, -1 at the end.

    Without the videos of these marks.
    """
    marks = {hidden[at : at + MARK_BYTES] for at in range(0, len(hidden), MARK_BYTES)}
    decoded = list(map(orjson.loads, map(json_of, slots[start:])))
    left = [place for place, slot in enumerate(decoded) if mark(slot["video_id"]) not in marks]
    items = [{key: value for key, value in decoded[place].items() if key != _LEFT_OUT} for place in left[:limit]]
    return b",".join(map(encode, items)), start + left[limit] if len(left) > limit else -1


def take_over(client: redis.Redis) -> None:
    """Put the keys of versions, generations that were leaving, and what viewers refused where they lie today."""
    for keys in scan(client, f"{_VERSIONS}*"):
        for key in keys:
            client.rename(key, version_key(key.removeprefix(_VERSIONS)))
    if leaving := cast("set[bytes]", client.smembers(_LEAVING)):
        client.sadd(LEAVING, *leaving)
        client.delete(_LEAVING)


def take_over_refusals(client: redis.Redis) -> None:
    """Put what viewers refused where it lies today, beside what they refused since."""
    for keys in scan(client, f"{refused.KEYS}*"):
        for key in keys:
            viewer_id = key.removeprefix(refused.KEYS)
            if viewer_id.startswith("{seen:") and viewer_id.endswith("}"):
                continue
            theirs = cast("set[bytes]", client.smembers(key))
            for script, ours, video_ids in refused.remembering((viewer_id, one.decode()) for one in theirs):
                client.eval(script.text, 1, ours, *video_ids)
            client.unlink(key)
