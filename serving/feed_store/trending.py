"""The lists of what rises: where they lie, writing one for all of its kind at once, and reading a page of it.

Belongs here: everything about these keys. What is listed: jobs/features/trending.py. HTTP: serving/trending.py.

    trending:<kind>               string  "<generation> <end of its hour>": the list that readers get
    trending:<kind>:<generation>  list    its items in order, each an encoded JSON object

A list is never changed, but for videos of a creator who is forgotten, so that a page that is still open goes on in the
one it began in; what an hour writes again is another generation. All of it goes by itself TTL_S after the last hour
that was published.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, cast

import orjson
import redis
from redis.client import Pipeline

from serving.feed_store.layout import FeedExpired, FeedStoreError, Pointer, encode, video_key
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

    def move(pipe: Pipeline) -> None:
        current = Pointer.parse(cast(bytes | None, pipe.get(_pointer_key(kind))))
        pipe.multi()
        if current is not None and current.version > told:
            return
        if items:
            pipe.rpush(list_key(kind, new), *map(encode, items))
            pipe.expire(list_key(kind, new), TTL_S)
        pipe.set(_pointer_key(kind), Pointer(new, told).text(), ex=TTL_S)

    return bool(client.transaction(move, _pointer_key(kind)))  # again where somebody else has moved it meanwhile


class TrendingReader:
    """Reads the lists for the endpoint. Safe to share between requests of one loop.

    Raises redis.RedisError when Redis does not answer within seconds.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def first_page(self, kind: TrendingKind, limit: int) -> Items:
        """The first `limit` items of the current list. Raises NoListPublished."""
        pointer = Pointer.parse(await self._wire.ask("GET", _pointer_key(kind)))
        if pointer is None:
            raise NoListPublished(f"no list of trending {kind} has been published yet")
        return await self._page(kind, pointer, 0, limit)

    async def next_page(self, kind: TrendingKind, generation: str, as_of: str, start: int, limit: int) -> Items:
        """Items from `start` on, of the list that a cursor pins. Raises FeedExpired."""
        if not await self._wire.ask("EXISTS", list_key(kind, generation)):
            raise FeedExpired(f"the list of trending {kind} as of {as_of} is no longer held")
        return await self._page(kind, Pointer(generation, as_of), start, limit)

    async def _page(self, kind: TrendingKind, pointer: Pointer, start: int, limit: int) -> Items:
        raw = await self._wire.ask("LRANGE", list_key(kind, pointer.generation), start, start + limit)
        items, following = raw[:limit], start + limit if len(raw) > limit else None
        if kind != TrendingKind.VIDEOS or not items:
            return Items(*pointer, [(item, None) for item in items], following)
        cards = await self._wire.ask("MGET", *(video_key(orjson.loads(item)["id"]) for item in items))
        # One that has no card any more was withdrawn meanwhile.
        return Items(*pointer, [(item, card) for item, card in zip(items, cards, strict=True) if card], following)


def _pointer_key(kind: TrendingKind) -> str:
    return f"trending:{kind}"


def list_key(kind: TrendingKind, generation: str) -> str:
    return f"trending:{kind}:{generation}"
