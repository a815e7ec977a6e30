"""The lists of what rises: where they lie, writing one for all of its kind at once, and reading a page of it.

Belongs here: everything about these keys. What is listed: jobs/features/trending.py. HTTP: serving/trending.py.

    trending:<kind>               string  "<generation> <end of its hour>": the list that readers get
    trending:<kind>:<generation>  list    its items in order, each an encoded JSON object

A list is never changed, but for videos of a creator who is forgotten, so that a page that is still open goes on in the
one it began in; what an hour writes again is another generation. All of it goes by itself TTL_S after the last hour
that was published.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, cast

import orjson
import redis
from redis.client import Pipeline

from serving.feed_store.layout import FeedExpired, FeedStoreError, Pointer, encode, video_key
from serving.feed_store.once import Once
from serving.feed_store.shapes import TrendingKind
from serving.feed_store.wire import Wire

TTL_S = 2 * 86_400
# An hour's list comes minutes after the hour; one more hour is patience.
STALE_AFTER = timedelta(hours=2, minutes=30)


class NoListPublished(FeedStoreError):
    """No list of what trends is held."""


class Items(NamedTuple):
    """Consecutive items of one list, as stored, each with the card of its video: None where it is of no video.

    `next_start` is the 0-based place from which the next page reads; None at the end.
    """

    generation: str
    as_of: str
    items: list[tuple[bytes, bytes | None]]
    next_start: int | None


def publish(client: redis.Redis, kind: TrendingKind, as_of: datetime, items: Sequence[Mapping[str, object]]) -> bool:
    """Make these items, in order, the list of a kind as of the end of an hour, unless a later one is current.

    Returns whether they are. A list without items is one: then nothing rises.
    """
    told, new = f"{as_of:%Y-%m-%dT%H:%M:%SZ}", secrets.token_hex(6)

    # Before the pointer, since a Redis Cluster may have them in two places. Killed in between, the list expires.
    if items:
        with client.pipeline(transaction=True) as pipe:
            pipe.rpush(list_key(kind, new), *map(encode, items))
            pipe.expire(list_key(kind, new), TTL_S)
            pipe.execute()

    def move(pipe: Pipeline) -> None:
        current = Pointer.parse(cast(bytes | None, pipe.get(_pointer_key(kind))))
        pipe.multi()
        if current is not None and current.version > told:
            return
        pipe.set(_pointer_key(kind), Pointer(new, told).text(), ex=TTL_S)

    return bool(client.transaction(move, _pointer_key(kind)))  # again where somebody else has moved it meanwhile


class TrendingReader:
    """Reads the lists for the endpoint, and keeps the newest of each kind. Safe to share between requests of one loop.

    Raises redis.RedisError when Redis does not answer.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._kept: dict[TrendingKind, _Kept] = {}
        self._once = Once[_Kept]()

    async def first_page(self, kind: TrendingKind, limit: int) -> Items:
        """The first `limit` items of the current list. Raises NoListPublished.

        One round trip: whether the list that is kept is still current is asked together with the cards of its page.
        """
        kept = self._kept.get(kind) or _Kept(Pointer("", ""), [], [])
        raw, length, page = await asyncio.gather(
            self._wire.ask("GET", _pointer_key(kind)),
            self._wire.ask("LLEN", list_key(kind, kept.pointer.generation)),
            self._page(kind, kept, 0, limit),
        )
        pointer = Pointer.parse(raw)
        if pointer is None:
            raise NoListPublished(f"no list of trending {kind} has been published yet")
        if pointer == kept.pointer and length == len(kept.items):
            return page
        kept = await self._once.get(pointer.generation, lambda: self._fetch(kind, pointer))
        return await self._page(kind, kept, 0, limit)

    async def next_page(self, kind: TrendingKind, generation: str, as_of: str, start: int, limit: int) -> Items:
        """Items from `start` on, of the list that a cursor pins. Raises FeedExpired."""
        if not await self._wire.ask("EXISTS", list_key(kind, generation)):
            raise FeedExpired(f"the list of trending {kind} as of {as_of} is no longer held")
        kept = await self._listed(kind, Pointer(generation, as_of), start, start + limit)
        page = await self._page(kind, kept, 0, limit)
        return page._replace(next_start=start + limit if page.next_start is not None else None)

    def page_without_redis(self, kind: TrendingKind, generation: str | None, start: int, limit: int) -> Items | None:
        """A page of the list that is kept, as it was when it came; None where it is not that one."""
        kept = self._kept.get(kind)
        if kept is None or generation not in (None, kept.pointer.generation):
            return None
        return _items(kind, kept, kept.cards[start : start + limit], start, limit)

    async def _fetch(self, kind: TrendingKind, pointer: Pointer) -> _Kept:
        kept = await self._listed(kind, pointer, 0, -1)
        self._kept[kind] = kept._replace(cards=await self._cards(kind, kept.items))
        return self._kept[kind]

    async def _listed(self, kind: TrendingKind, pointer: Pointer, start: int, stop: int) -> _Kept:
        raw = cast("list[bytes]", await self._wire.ask("LRANGE", list_key(kind, pointer.generation), start, stop))
        return _Kept(pointer, raw, [])

    async def _page(self, kind: TrendingKind, kept: _Kept, start: int, limit: int) -> Items:
        return _items(kind, kept, await self._cards(kind, kept.items[start : start + limit]), start, limit)

    async def _cards(self, kind: TrendingKind, items: list[bytes]) -> list[bytes | None]:
        """The card of each item, None where it is of no video or of one that was withdrawn."""
        if kind != TrendingKind.VIDEOS or not items:
            return [None] * len(items)
        commands = [("GET", video_key(orjson.loads(item)["id"])) for item in items]
        return await self._wire.ask_all(commands)


class _Kept(NamedTuple):
    """A list, and the cards of its videos when it came."""

    pointer: Pointer
    items: list[bytes]
    cards: list[bytes | None]


def _items(kind: TrendingKind, kept: _Kept, cards: list[bytes | None], start: int, limit: int) -> Items:
    """A page with these cards. A video that has none any more was withdrawn meanwhile."""
    items = zip(kept.items[start : start + limit], cards, strict=True)
    following = start + limit if len(kept.items) > start + limit else None
    return Items(*kept.pointer, [(i, c) for i, c in items if c or kind != TrendingKind.VIDEOS], following)


def _pointer_key(kind: TrendingKind) -> str:
    return f"trending:{kind}"


def list_key(kind: TrendingKind, generation: str) -> str:
    return f"trending:{kind}:{generation}"
