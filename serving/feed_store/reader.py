"""Reads feeds for the endpoint: one round trip a page, no slot decoded, and a list to show when Redis is away.

Belongs here: which list a page is of, where the next one begins, and remembering what a viewer refused or was shown.
How a page is found in a feed: page.py, put together of parts.py. The lists for strangers: strangers.py. What the keys
are: layout.py. Who writes feeds: writer.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self, cast

import orjson
from redis.exceptions import RedisError

from serving.cursor import NONE, Cursor
from serving.feed_store import refused, seen
from serving.feed_store.layout import MAX_SLOTS, POINTER, FeedExpired, NoFeedPublished, Pointer, video_key
from serving.feed_store.muted import Muted, MuteWord, last_words
from serving.feed_store.page import NOW, OwnPage, OwnPages
from serving.feed_store.strangers import Listed, Strangers
from serving.feed_store.wire import PATIENCE_S, Script, Wire, Word

# Of a cursor: nothing is left out for having been shown, since all had been.
_EVER = 0
# Pages wait on the same connection for what is before them.
_WRITES_AT_ONCE = 50
# Whole feeds: a page that came meanwhile waited 14 ms behind so many of 200 slots, and 51 behind twice as many.
_PAGES_AT_ONCE = 25


class Page(NamedTuple):
    """Consecutive slots of one feed, encoded and joined by commas, without what its viewer refused, made or was shown.

    `following` is where the next page begins; None at the end.
    """

    generation: str
    version: str
    is_fallback: bool
    slots: bytes
    following: Cursor | None


class FeedReader:
    """Reads feeds for the endpoint. Safe to share between requests of one loop; an asynchronous context.

    `wire` is its connection, for whoever reads something else beside it. Raises redis.RedisError when Redis does not
    answer within `patience_s`.
    """

    def __init__(self, redis_url: str, patience_s: float = PATIENCE_S) -> None:
        self.wire = Wire(redis_url, patience_s)
        self._pages = OwnPages(self.wire, patience_s)
        self._strangers = Strangers(self.wire)
        self._guess = Pointer("", "")
        self._preparing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.wire.__aenter__()
        with suppress(RedisError, NoFeedPublished):
            self._moved_to(await self.wire.ask("GET", POINTER))
            if self._preparing is not None:
                await self._preparing
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._preparing is not None:
            self._preparing.cancel()
        await self.wire.__aexit__(*exc)

    async def current_version(self) -> str:
        """The version that readers get, found as a page of nobody's is: what keeps pages out does so here. Raises
        NoFeedPublished.
        """
        pointer = self._guess
        own = await self._newest(pointer, "", 1)
        while not isinstance(own, OwnPage):
            pointer = self._moved_to(own)
            own = await self._newest(pointer, "", 1)
        if not own.strangers:
            raise _not_held(pointer)
        return pointer.version

    async def first_page(self, viewer_id: str, limit: int) -> Page:
        """The first `limit` slots of the current version; of the list for strangers where the viewer has none.

        Nobody gets an empty page while there is something to show: who has seen all of their feed gets what is new to
        them of the list for strangers, and then their own feed once more. Raises NoFeedPublished.

        The pointer and the feed under the last known pointer are read together. Only right after a publish do they
        disagree, and then the feed is read again under the new one.
        """
        pointer = self._guess
        own = await self._newest(pointer, viewer_id, limit)
        self._prepare()  # again, where it failed
        if isinstance(own, OwnPage) and own.is_new:
            return _own(pointer, own, own.total)
        async with self._pages.in_time():
            return await self._other_page(pointer, own, viewer_id, limit)

    async def next_page(self, at: Cursor, viewer_id: str, limit: int) -> Page:
        """The page that begins at a cursor, of the generation that it pins. Raises FeedExpired.

        Who comes back from a detour has been shown more since: it goes by what was shown by now. Where all that follows
        was shown or refused since, it is a first page.
        """
        own = await self._pinned(at, viewer_id, limit, at.as_of if at.detour == NONE else NOW)
        as_of = at.as_of if at.detour == NONE else own.total
        if own.slots:
            return _own(Pointer(at.generation, at.version), own, as_of)
        async with self._pages.in_time():
            return await self._other_next_page(at, own, viewer_id, limit, as_of)

    def page_without_redis(self, at: Cursor | None, viewer_id: str, limit: int) -> Page | None:
        """A page of the last list for strangers that is known here; None before there was one.

        Who was in that list goes on in it. Everybody else makes a detour: their cursor says how far they have got in
        it, and where they were in their own feed, in which they go on when Redis is back.
        """
        held = self._strangers.held(at.generation) if at and at.is_fallback else None
        listed = held or self._strangers.newest
        if listed is None:
            return None
        if at is not None and held is not None:
            return _of_strangers(listed, viewer_id, b"", at.position, limit, at.as_of)
        if at is None:
            if not self._guess.generation:
                return _of_strangers(listed, viewer_id, b"", 0, limit, _EVER)
            at = Cursor(*self._guess, False, 0, NOW)
        page = _of_strangers(listed, viewer_id, b"", max(at.detour, 0), limit, _EVER)
        # After its end it begins anew: nobody can know how long this takes, and an empty screen is worse.
        return page._replace(following=at._replace(detour=page.following.position if page.following else 0))

    async def remember(self, refusals: Iterable[tuple[str, str]], shown: Iterable[tuple[str, str]]) -> None:
        """These viewers (first) refused or were shown these videos (second)."""
        writes: list[tuple[Script, str, Sequence[Word]]] = [*refused.remembering(refusals)]
        writes += ((script, key, [marks]) for script, key, marks in seen.remembering(shown))
        for some in (writes[n : n + _WRITES_AT_ONCE] for n in range(0, len(writes), _WRITES_AT_ONCE)):
            await asyncio.gather(*(self.wire.run(script, (key,), *words) for script, key, words in some))

    async def mute(self, words: Sequence[MuteWord]) -> None:
        """From now on, what the lists of these viewers have of what they muted is left out as what they refused is.

        A night builds feeds without all of it. One round trip for all words, and two for each _PAGES_AT_ONCE viewers.
        """
        if not any(word.is_muted for word in words):
            return
        video_ids = list(dict.fromkeys(word.video_id for word in words if word.hashtag is None))
        raw, *cards = await self.wire.ask_all([("GET", key) for key in (POINTER, *map(video_key, video_ids))])
        if raw is None:
            return  # nobody is shown anything yet
        pointer = self._moved_to(raw)
        creators = {one: orjson.loads(card)["user_id"] for one, card in zip(video_ids, cards, strict=True) if card}
        muted = [*last_words(words, creators).items()]
        for some in (muted[n : n + _PAGES_AT_ONCE] for n in range(0, len(muted), _PAGES_AT_ONCE)):
            await self.remember(await self._muted(pointer, some), [])

    async def _muted(self, pointer: Pointer, muted: Sequence[tuple[str, Muted]]) -> list[tuple[str, str]]:
        """These viewers with each video of their lists that shows what they muted."""
        everything = Cursor(*pointer, False, 0, _EVER)
        own = await asyncio.gather(*(self._pinned(everything, viewer_id, MAX_SLOTS, _EVER) for viewer_id, _ in muted))
        listed = await self._strangers.get(pointer, own[0].strangers)
        of_all = _decoded(b",".join(listed.slots)) if listed else []
        return [
            (viewer_id, slot["video_id"])
            for (viewer_id, theirs), page in zip(muted, own, strict=True)
            for slot in (*_decoded(page.slots), *of_all)
            if theirs.covers(slot)
        ]

    async def video(self, video_id: str) -> bytes | None:
        """The encoded JSON object of one video, or None."""
        return cast(bytes | None, await self.wire.ask("GET", video_key(video_id)))

    async def videos(self, video_ids: Sequence[str]) -> list[bytes]:
        """The encoded JSON objects of those videos that are published, in this order."""
        found = cast("list[bytes | None]", await self.wire.ask_all([("GET", video_key(one)) for one in video_ids]))
        return [card for card in found if card is not None]

    async def _newest(self, pointer: Pointer, viewer_id: str, limit: int) -> OwnPage | bytes:
        return await self._pages.ask(viewer_id, pointer, 0, limit, as_of=NOW, is_pinned=False, is_own=True)

    async def _pinned(self, at: Cursor, viewer_id: str, limit: int, as_of: int) -> OwnPage:
        own = await self._pages.ask(
            viewer_id, Pointer(at.generation, at.version), at.position, limit,
            as_of=as_of, is_pinned=True, is_own=not at.is_fallback,
        )  # fmt: skip
        assert isinstance(own, OwnPage)
        return own

    async def _other_next_page(self, at: Cursor, own: OwnPage, viewer_id: str, limit: int, as_of: int) -> Page:
        """The page at a cursor where the viewer's own feed is not held, or has nothing new to them from there on."""
        pointer = Pointer(at.generation, at.version)
        if own.is_new and at.detour != NONE and at.as_of == _EVER:
            own = await self._pinned(at, viewer_id, limit, _EVER)
            if own.slots:
                return _own(pointer, own, _EVER)
        if not own.is_new:
            # Who has no feed of their own and came while Redis was away goes on where the detour ended.
            start = at.position if at.is_fallback else at.detour
            listed = await self._strangers.get(pointer, own.strangers) if start != NONE else None
            if listed is None:  # a cursor is only given out when more follows
                self._moved_to(await self.wire.ask("GET", POINTER))  # nothing expires in a Redis that lost everything
                raise FeedExpired(f"feed version {at.version} is no longer held")
            page = _of_strangers(listed, viewer_id, own.shown + own.refused, start, limit, as_of)
            if page.slots:
                return page
        return await self.first_page(viewer_id, limit)

    async def _other_page(self, pointer: Pointer, own: OwnPage | bytes, viewer_id: str, limit: int) -> Page:
        """The first page where the pointer has moved, or where nothing of the viewer's own feed is new to them."""
        while not isinstance(own, OwnPage):
            pointer = self._moved_to(own)
            own = await self._newest(pointer, viewer_id, limit)
        if own.is_new:
            return _own(pointer, own, own.total)
        listed = await self._strangers.get(pointer, own.strangers)
        if listed is None:
            raise _not_held(pointer)
        new_to_them = _of_strangers(listed, viewer_id, own.shown + own.refused, 0, limit, own.total)
        if new_to_them.slots:
            return new_to_them
        if own.slots:
            return _own(pointer, own, _EVER)
        return _of_strangers(listed, viewer_id, own.refused, 0, limit, _EVER)

    def _moved_to(self, raw: bytes | None) -> Pointer:
        pointer = Pointer.parse(raw)
        if pointer is None:
            raise NoFeedPublished("no feed version has been published yet")
        self._guess = pointer
        self._strangers.current = pointer.generation
        self._prepare()
        return pointer

    def _prepare(self) -> None:
        """Fetch the current list for strangers, unless it is here or on its way, before somebody needs it."""
        is_on_its_way = self._preparing is not None and not self._preparing.done()
        if self._guess.generation and not is_on_its_way and self._strangers.held(self._guess.generation) is None:
            self._preparing = asyncio.create_task(self._fetch_strangers())

    async def _fetch_strangers(self) -> None:
        with suppress(RedisError):
            await self._strangers.get(self._guess)


def _decoded(slots: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(b"[%b]" % slots)
    return found


def _own(pointer: Pointer, own: OwnPage, as_of: int) -> Page:
    following = None
    if own.following >= 0:
        following = Cursor(pointer.generation, pointer.version, False, own.following, as_of)
    return Page(pointer.generation, pointer.version, False, own.slots, following)


def _of_strangers(listed: Listed, viewer_id: str, hidden: bytes, start: int, limit: int, as_of: int) -> Page:
    slots, place = listed.page(viewer_id, hidden, start, limit)
    following = Cursor(*listed.pointer, True, place, as_of) if place >= 0 else None
    return Page(*listed.pointer, True, slots, following)


def _not_held(pointer: Pointer) -> NoFeedPublished:
    return NoFeedPublished(f"feed version {pointer.version} is current and holds no feeds: publish it again")
