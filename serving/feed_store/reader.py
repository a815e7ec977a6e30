"""Reads feeds for the endpoint: one round trip a page, and no decoding for who refused nothing.

Belongs here: reading, and remembering what a viewer refuses until the next night has built feeds without it. What the
keys are: layout.py. Who writes feeds: writer.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, cast

import orjson
import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from serving.feed_store import refused
from serving.feed_store.layout import (
    POINTER,
    FeedExpired,
    NoFeedPublished,
    Pointer,
    fallback_key,
    feed_key,
    video_key,
)


class Page(NamedTuple):
    """Consecutive slots of one feed, as stored, without what its viewer refused or made.

    `next_start` is the 0-based position in the stored feed from which the next page reads; None at the end.
    """

    generation: str
    version: str
    is_fallback: bool
    slots: list[bytes]
    next_start: int | None


class _Shown(NamedTuple):
    """What a slot shows: a video, and who made it."""

    video_id: str
    creator_id: str | None

    @classmethod
    def decode(cls, slot: bytes) -> _Shown:
        decoded = orjson.loads(slot)
        return cls(decoded["video_id"], decoded.get("user_id"))


class _Fallback(NamedTuple):
    generation: str
    slots: list[bytes]
    shown: list[_Shown]


class FeedReader:
    """Reads feeds for the endpoint: one round trip a page, no decoding. Safe to share between requests of one loop.

    `client` is its connection, for whoever reads something else beside it. Raises redis.RedisError when Redis does not
    answer within seconds.
    """

    def __init__(self, redis_url: str) -> None:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            redis_url,
            max_connections=64,
            timeout=2,
            socket_timeout=2,
            socket_connect_timeout=1,
            retry=Retry(ConstantBackoff(0.05), 1),  # a reader waits in front of a person: fail fast, they retry
        )
        self.client = redis.asyncio.Redis(connection_pool=pool)
        self._guess = Pointer("", "")
        self._fallback = _Fallback("", [], [])

    async def close(self) -> None:
        await self.client.aclose()
        await self.client.connection_pool.disconnect()

    async def current_version(self) -> str:
        """The version that readers get. Raises NoFeedPublished."""
        pointer = self._moved_to(await self.client.get(POINTER))
        if not await self.client.exists(fallback_key(pointer.generation)):
            raise _not_held(pointer)
        return pointer.version

    async def first_page(self, viewer_id: str, limit: int) -> Page:
        """The first `limit` slots of the current version; the fallback's for a stranger. Raises NoFeedPublished.

        The pointer and the list under the last known pointer are read together. Only right after a publish do they
        disagree, and then the list is read again under the new one.
        """
        guess = self._guess
        pipe = self.client.pipeline(transaction=False)
        pipe.get(POINTER)
        pipe.smembers(refused.key(viewer_id))
        pipe.lrange(feed_key(guess.generation, viewer_id), 0, limit)
        pipe.llen(fallback_key(guess.generation))
        raw, hidden, slots, left = await pipe.execute()
        pointer = self._moved_to(raw)
        if pointer != guess:
            slots = await self._range(feed_key(pointer.generation, viewer_id), 0, limit)
        if slots:
            page = await self._own_page(pointer, viewer_id, hidden, 0, limit, slots)
            if page.slots:
                return page
        try:
            return await self._fallback_page(pointer, viewer_id, hidden, 0, limit, left)
        except FeedExpired as error:
            raise _not_held(pointer) from error

    async def next_page(
        self, generation: str, version: str, viewer_id: str, *, is_fallback: bool, start: int, limit: int
    ) -> Page:
        """Slots from `start` on, of the generation that a cursor pins. Raises FeedExpired."""
        pointer = Pointer(generation, version)
        pipe = self.client.pipeline(transaction=False)
        pipe.smembers(refused.key(viewer_id))
        pipe.lrange(feed_key(generation, viewer_id), start, start + limit)
        pipe.llen(fallback_key(generation))
        hidden, slots, left = await pipe.execute()
        if is_fallback:
            return await self._fallback_page(pointer, viewer_id, hidden, start, limit, left)
        if not slots:  # a cursor is only given out when more follows
            raise FeedExpired(f"feed version {version} is no longer held")
        return await self._own_page(pointer, viewer_id, hidden, start, limit, slots)

    async def refuse(self, refusals: Iterable[tuple[str, str]]) -> None:
        """Show these viewers (first) these videos (second) no more."""
        pipe = self.client.pipeline(transaction=True)
        refused.remember(pipe, refusals)
        await pipe.execute()

    async def video(self, video_id: str) -> bytes | None:
        """The encoded JSON object of one video, or None."""
        return cast(bytes | None, await self.client.get(video_key(video_id)))

    def _moved_to(self, raw: bytes | None) -> Pointer:
        pointer = Pointer.parse(raw)
        if pointer is None:
            raise NoFeedPublished("no feed version has been published yet")
        self._guess = pointer
        return pointer

    async def _own_page(
        self, pointer: Pointer, viewer_id: str, hidden: set[bytes], start: int, limit: int, slots: list[bytes]
    ) -> Page:
        """A page of the viewer's own feed; `slots` holds one more than `limit` when more follows."""
        if not hidden:
            following = start + limit if len(slots) > limit else None
            return Page(pointer.generation, pointer.version, False, slots[:limit], following)
        rest = await self._range(feed_key(pointer.generation, viewer_id), start, -1)
        return _without(hidden, pointer, viewer_id, list(map(_Shown.decode, rest)), rest, start, limit)

    async def _fallback_page(
        self, pointer: Pointer, viewer_id: str, hidden: set[bytes], start: int, limit: int, left: int
    ) -> Page:
        # The same for every stranger, so it is kept in memory: strangers cost one round trip as well. It changes only
        # by the slots of a creator who is forgotten (forgotten.py), of which `left` tells.
        if (self._fallback.generation, len(self._fallback.slots)) != (pointer.generation, left):
            slots = await self._range(fallback_key(pointer.generation), 0, -1)
            if not slots:
                raise FeedExpired(f"feed version {pointer.version} is no longer held")
            self._fallback = _Fallback(pointer.generation, slots, list(map(_Shown.decode, slots)))
        kept = self._fallback
        page = _without(hidden, pointer, viewer_id, kept.shown[start:], kept.slots[start:], start, limit)
        return page._replace(is_fallback=True)

    async def _range(self, key: str, start: int, stop: int) -> list[bytes]:
        return cast("list[bytes]", await self.client.lrange(key, start, stop))  # type: ignore[misc]


def _without(
    hidden: set[bytes],
    pointer: Pointer,
    viewer_id: str,
    shown: list[_Shown],
    slots: list[bytes],
    start: int,
    limit: int,
) -> Page:
    """A page of the slots whose video the viewer neither refused nor made."""
    ids = {video_id.decode() for video_id in hidden}
    left = [n for n, (video_id, creator_id) in enumerate(shown) if video_id not in ids and creator_id != viewer_id]
    following = start + left[limit] if len(left) > limit else None
    return Page(pointer.generation, pointer.version, False, [slots[n] for n in left[:limit]], following)


def _not_held(pointer: Pointer) -> NoFeedPublished:
    return NoFeedPublished(f"feed version {pointer.version} is current and holds no feeds: publish it again")
