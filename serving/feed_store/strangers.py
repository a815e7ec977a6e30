"""The lists for strangers, kept in this process: the same for everybody, and there when Redis is not.

Belongs here: fetching such a list once for all who want it, and a page of it. A viewer's own feed: page.py.

A list changes only by the slots of a creator who is forgotten (forgotten.py), of which its length tells.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import orjson

from serving.feed_store.layout import MARK_BYTES, Pointer, fallback_key, json_of, mark
from serving.feed_store.once import Once
from serving.feed_store.wire import Wire

# Cursors of the versions before may be open; more than these are fetched again.
_KEPT = 3


class Listed(NamedTuple):
    """One list: of each slot its JSON, its video's mark and who made it."""

    pointer: Pointer
    slots: list[bytes]
    shown: list[tuple[bytes, str | None]]

    def page(self, viewer_id: str, hidden: bytes, start: int, limit: int) -> tuple[bytes, int]:
        """Encoded slots from `start` on, joined by commas, and where the next page begins, -1 at the end.

        Without what the viewer made, and without the videos of these marks.
        """
        marks = {hidden[at : at + MARK_BYTES] for at in range(0, len(hidden), MARK_BYTES)}
        left = [
            place
            for place, (one, creator_id) in enumerate(self.shown[start:], start)
            if one not in marks and creator_id != viewer_id
        ]
        return b",".join([self.slots[place] for place in left[:limit]]), left[limit] if len(left) > limit else -1


class Strangers:
    """The lists of the newest versions."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.current = ""  # the generation that was current when last heard of
        self._lists: dict[str, Listed] = {}
        self._once = Once[Listed | None]()

    @property
    def newest(self) -> Listed | None:
        """The list of the current generation; while that is not here, the one that was fetched last."""
        return self.held(self.current) or next(reversed(self._lists.values()), None)

    def held(self, generation: str) -> Listed | None:
        """A list that is here, whatever has become of it since."""
        return self._lists.get(generation)

    async def get(self, pointer: Pointer, length: int | None = None) -> Listed | None:
        """The list of a version, fetched unless it is here with this length; None where Redis has none.

        Raises redis.RedisError.
        """
        held = self._lists.get(pointer.generation)
        if held is not None and length in (None, len(held.slots)):
            return held
        return await self._once.get(pointer.generation, lambda: self._fetch(pointer))

    async def _fetch(self, pointer: Pointer) -> Listed | None:
        raw = cast("list[bytes]", await self._wire.ask("LRANGE", fallback_key(pointer.generation), 0, -1))
        if not raw:
            return None
        slots = list(map(json_of, raw))
        decoded = [orjson.loads(slot) for slot in slots]
        listed = Listed(pointer, slots, [(mark(slot["video_id"]), slot.get("user_id")) for slot in decoded])
        self._lists.pop(pointer.generation, None)
        self._lists[pointer.generation] = listed
        while len(self._lists) > _KEPT:
            del self._lists[next(generation for generation in self._lists if generation != self.current)]
        return listed
