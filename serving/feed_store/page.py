"""One page of a viewer's own feed: found within Redis in one look, and put together here of parts that are known.

Belongs here: the script, what it answers, and the bytes of a page. Parts: parts.py. A feed as it is stored: packed.py.
Who asks, and what a stranger gets: reader.py.

Slots are left out where they lie, of keys that lie together in a cluster: comparing marks here would double what a page
costs this process. No part is decoded or encoded. What it costs: docs/decisions/0045.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

import hiredis
from redis.exceptions import ResponseError

from serving.feed_store import former, refused, seen
from serving.feed_store.layout import (
    HIDDEN,
    MARK_BYTES,
    MAX_SLOTS,
    NAME_BYTES,
    POINTER,
    Pointer,
    fallback_key,
    feed_key,
    mark,
    packed_key,
)
from serving.feed_store.parts import PartsKeeper
from serving.feed_store.wire import Away, Packed, Script, Wire

# As of which mark a page leaves out what was shown: what had been shown by now.
NOW = -1
# Of the patience, for what follows a first round trip: right after a publish there is another, and two for a stranger.
_FURTHER = 0.4
_PLACES = [b"%d" % place for place in range(MAX_SLOTS)]

_PAGE = Script(f"""
local find, sub, byte = string.find, string.sub, string.byte

local function mark_of(id) return struct.pack('>I4', tonumber(sub(redis.sha1hex(id), 1, 8), 16)) end

-- Where a mark is, among marks; what is found across two of them is none.
local function aligned(marks, mark, at)
  while at and at % 4 ~= 1 do at = find(marks, mark, at + 1, true) end
  return at
end

local start, limit, as_of, own, is_pinned = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
local stored = redis.call('GET', KEYS[2]) or ''
local total, shown = 0, sub(stored, 5)
if #stored >= 4 then total = struct.unpack('>I4', stored) end
if as_of >= 0 then
  local later = total - as_of
  shown = later < 0 and '' or sub(shown, 1, math.max(0, #shown - 4 * later))
end
local refused = redis.call('SMEMBERS', KEYS[3])
for i, id in ipairs(refused) do refused[i] = mark_of(id) end
refused = table.concat(refused)

-- As packed.py describes it.
local feed = own == '1' and redis.call('GET', KEYS[1]) or ''
local width, words, many = byte(feed, 1), 3, 0
if width then
  words = 3 + {NAME_BYTES} * struct.unpack('>I2', feed, 2)
  many = (#feed - words) / ({NAME_BYTES} + width)
end
local rests, numbers = words + {MARK_BYTES} * many, words + {NAME_BYTES} * many

local function page(hidden)
  local found, count = {{}}, 0
  for place = start, many - 1 do
    local mark = sub(feed, words + 4 * place + 1, words + 4 * place + 4)
    local at = mark == '\\0\\0\\0\\0' or find(hidden, mark, 1, true)
    if not at or (at ~= true and at % 4 ~= 1 and not aligned(hidden, mark, at)) then
      if count == limit then return table.concat(found), place end
      local number = byte(feed, numbers + width * place + 1)
      if width == 2 then number = number * 256 + byte(feed, numbers + 2 * place + 2) end
      local name = 3 + {NAME_BYTES} * number
      count = count + 1
      found[count] = mark .. sub(feed, rests + 2 * place + 1, rests + 2 * place + 2)
        .. sub(feed, name + 1, name + {NAME_BYTES}) .. struct.pack('>I2', place)
    end
  end
  return table.concat(found), -1
end

local slots, following = '', -1
if many > start then
  slots, following = page(shown .. refused)
  if #slots > 0 or is_pinned == '1' then return {{KEYS[1], 1, total, slots, following, '', ''}} end
  slots, following = page(refused)
end
return {{KEYS[1], 0, total, slots, following, shown, refused}}
""")


class OwnPage(NamedTuple):
    """What a viewer's own feed has for a page, and what is needed for one of another list where it has nothing new.

    `slots` are encoded, and joined by commas; `following` is where the next page begins, -1 at the end. Unless
    `is_new` they had all been shown, and are here once more, or there are none. `total` counts the marks of what was
    ever shown; `shown` and `refused` are the marks to leave out of the list for strangers, which has `strangers` slots.
    """

    is_new: bool
    total: int
    slots: bytes
    following: int
    strangers: int
    shown: bytes
    refused: bytes


class OwnPages:
    """Asks for pages. Safe to share between requests of one loop."""

    def __init__(self, wire: Wire, patience_s: float) -> None:
        self._wire = wire
        self._further_s = patience_s * _FURTHER
        self._parts = PartsKeeper(wire)
        self._is_packed: dict[str, bool] = {}
        self._taken_out: bytes | None = None

    async def ask(
        self, viewer_id: str, pointer: Pointer, start: int, limit: int, *, as_of: int, is_pinned: bool, is_own: bool
    ) -> OwnPage | bytes:
        """One page from `start` on, without what had been shown at `as_of`; what the pointer says if it has moved.

        A pinned one does not go by the pointer. One round trip, and another for parts that are not known here. Raises
        redis.RedisError, also where the answer is not one to this question: it could be somebody else's page.
        """
        generation = pointer.generation
        key = feed_key(generation, viewer_id)
        keys = key, seen.key(viewer_id), refused.key(viewer_id)
        words = start, limit, as_of, int(is_own), int(is_pinned)
        replies = await self._wire.run_among(_PAGE, keys, words, _of_all(generation))
        match replies:
            case [
                [found_for, 0 | 1 as is_new, int(total), slots, following, shown, hidden],
                bytes() | None as current,
                int(strangers),
                bytes() | None as taken_out,
            ]:
                if found_for != key.encode():
                    raise self._nonsense(replies)
            case _:
                raise self._nonsense(replies)
        if not is_pinned and current != pointer.text().encode():
            return current or b""
        if taken_out != self._taken_out:
            self._parts.let_go()
            self._taken_out = taken_out
        if slots:
            page = await self._page(generation, slots)
            if page or is_pinned:
                return OwnPage(is_new == 1 and page != b"", total, page, following, strangers, shown, hidden)
            # Redis has lost all parts of it: as whoever has no feed, who is told what to leave out of another list.
            async with self.in_time():
                return await self.ask(viewer_id, pointer, start, limit, as_of=as_of, is_pinned=False, is_own=False)
        own = OwnPage(is_new == 1, total, b"", following, strangers, shown, hidden)
        return await self._former(own, viewer_id, generation, start, limit, is_pinned) if is_own and not is_new else own

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """For what follows the first round trip, if something does: people wait for the sum."""
        try:
            async with asyncio.timeout(self._further_s):
                yield
        except TimeoutError as error:
            raise Away("Redis is too slow for a second look") from error

    async def _page(self, generation: str, found: bytes) -> bytes:
        """The encoded slots that were found, joined by commas. A part that Redis has no more costs its slot."""
        names = _slots(len(found)).unpack(found)
        videos, words, places = names[::3], names[1::3], names[2::3]
        parts = self._parts.of(generation)
        pieces: list[bytes] = [b""] * len(names)
        pieces[1::3] = map(_PLACES.__getitem__, places)
        try:
            pieces[::3], pieces[2::3] = map(parts.videos.__getitem__, videos), map(parts.words.__getitem__, words)
        except KeyError:
            async with self.in_time():
                parts = await self._parts.fetch(generation, videos, words)
            pieces[::3], pieces[2::3] = map(parts.videos.__getitem__, videos), map(parts.words.__getitem__, words)
        if not all(pieces):
            there = [at for at in range(0, len(pieces), 3) if pieces[at] and pieces[at + 2]]
            pieces = [piece for at in there for piece in pieces[at : at + 3]]
        return b"".join(pieces)[:-1]

    async def _former(
        self, own: OwnPage, viewer_id: str, generation: str, start: int, limit: int, is_pinned: bool
    ) -> OwnPage:
        """The same of a feed that an older version wrote, where the generation is of that time."""
        async with self.in_time():
            if generation not in self._is_packed:
                self._is_packed[generation] = bool(await self._wire.ask("EXISTS", packed_key(generation)))
            if self._is_packed[generation]:
                return own
            commands = (
                ("LRANGE", former.feed_key(generation, viewer_id), 0, -1),
                ("SMEMBERS", former.refused_key(viewer_id)),
            )
            listed, ids = await self._wire.ask_all(commands)
        hidden = own.refused + b"".join([mark(one.decode()) for one in ids])
        slots, following = former.page(listed, own.shown + hidden, start, limit)
        if slots or (is_pinned and start < len(listed)):
            return own._replace(is_new=True, slots=slots, following=following)
        slots, following = former.page(listed, hidden, start, limit)
        return own._replace(slots=slots, following=following, refused=hidden)

    def _nonsense(self, replies: list[object]) -> Exception:
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                return ResponseError(str(reply))
        self._wire.distrust("a page was answered by something else")
        return Away("Redis answered something else than a page")


@lru_cache(16)
def _of_all(generation: str) -> Packed:
    """What is asked with each page, and is the same for everybody."""
    return Packed.of([("GET", POINTER), ("LLEN", fallback_key(generation)), ("GET", HIDDEN)])


@lru_cache(MAX_SLOTS)
def _slots(size: int) -> Struct:
    """How slots that were found lie in so many bytes: the names of video and words, and the place of each."""
    one = f"{NAME_BYTES}s{NAME_BYTES}sH"
    return Struct(">" + one * (size // Struct(f">{one}").size))
