"""Why a video is in a viewer's feed, from what was stored with the feed.

Belongs here: finding one slot by its video, and what pages leave out of its words. Pages: page.py. Who writes words:
jobs/feeds/publish.py. HTTP: serving/feeds.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from serving.feed_store.layout import (
    POINTER,
    FeedExpired,
    NoFeedPublished,
    Pointer,
    fallback_key,
    feed_key,
    json_of,
    name,
    version_key,
    videos_key,
    words_key,
)
from serving.feed_store.packed import unpack
from serving.feed_store.shapes import Explanation, Origin

if TYPE_CHECKING:
    from serving.feed_store.wire import Wire


async def why(wire: Wire, viewer_id: str, video_id: str, version: str | None) -> Explanation | None:
    """Why the video is in the viewer's feed of a version that is held, or of the current one; None where it is not.

    Who has no feed of their own has the list for strangers. Raises NoFeedPublished, FeedExpired and redis.RedisError.
    """
    pointer = await _pointer(wire, version)
    found = Explanation(user_id=viewer_id, video_id=video_id, feed_version=pointer.version)
    own = await wire.ask("GET", feed_key(pointer.generation, viewer_id))
    return await (_of_strangers(wire, pointer, found) if own is None else _of_own(wire, pointer, own, found))


async def _pointer(wire: Wire, version: str | None) -> Pointer:
    if version is None:
        pointer = Pointer.parse(await wire.ask("GET", POINTER))
        if pointer is None:
            raise NoFeedPublished("no feed version has been published yet")
        return pointer
    held = await wire.ask("GET", version_key(version))
    if held is None:
        raise FeedExpired(f"feed version {version} is no longer held")
    return Pointer(held.decode().split(" ")[0], version)


async def _of_own(wire: Wire, pointer: Pointer, own: bytes, found: Explanation) -> Explanation | None:
    feed, video = unpack(own), name(found.video_id)
    place = next((place for place, one in enumerate(feed.videos()) if one == video), None)
    if place is None:
        return None
    keys = videos_key(pointer.generation, video), words_key(pointer.generation, feed.words_of()[place])
    shown, words = await wire.ask_all([("GET", key) for key in keys])
    if shown is None or words is None:  # taken out of all lists since, or Redis has lost it
        return None
    sent, _, unsent = words.partition(b"\n")
    origin = Origin(**orjson.loads(unsent or b"{}"))
    return found.model_copy(update={"position": place} | orjson.loads(sent) | origin.model_dump())


async def _of_strangers(wire: Wire, pointer: Pointer, found: Explanation) -> Explanation | None:
    for slot in await wire.ask("LRANGE", fallback_key(pointer.generation), 0, -1):
        said = orjson.loads(json_of(slot))
        if said["video_id"] == found.video_id:
            words = {name: said.get(name) for name in ("position", "reason")}
            return found.model_copy(update={"is_fallback": True} | words)
    return None
