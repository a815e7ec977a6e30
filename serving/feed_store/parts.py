"""What slots have in common, kept in this process: what is said of a video, and words such as a reason.

Belongs here: fetching such parts once, and keeping the newest. Which slots a page has: page.py. Who writes parts:
writer.py.

Nothing of a generation is ever changed, so that what is kept is never wrong; what a creator who is forgotten made is
removed from feeds, and then nothing here is asked for it. Where a video is taken out of lists, all is let go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from serving.feed_store.layout import videos_key, words_key
from serving.feed_store.wire import Wire

# Of a generation and a kind, so that six times as much is the most that a process keeps: 60,000 videos with cards of
# 550 bytes. Titles may be long, so parts are weighed rather than counted.
MOST_BYTES = 40 * 2**20
# What a part takes beside its bytes: its name, what Python says of both, and its place among the others.
_BESIDE = 150
# The current generation, and those of which pages are open.
_KEPT = 3


class Known(dict[bytes, bytes]):
    """The parts of one kind by their names, ready to be put together."""

    _weight = 0

    def keep(self, new: Mapping[bytes, bytes]) -> None:
        """Add parts; where all are too heavy, those go that came first, until a tenth is free again."""
        self._weight += sum(_BESIDE + len(part) for one, part in new.items() if one not in self)
        self.update(new)
        if self._weight > MOST_BYTES:
            for one in list(self):
                self._weight -= _BESIDE + len(self.pop(one))
                if self._weight <= MOST_BYTES - MOST_BYTES // 10:
                    break


class Parts(NamedTuple):
    """The parts of one generation that are here. A slot is a part of `videos`, its position, and one of `words`."""

    videos: Known
    words: Known


class PartsKeeper:
    """Parts of the newest generations that somebody reads."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._parts: dict[str, Parts] = {}

    def of(self, generation: str) -> Parts:
        parts = self._parts.get(generation)
        if parts is None:
            parts = self._parts[generation] = Parts(Known(), Known())
            if len(self._parts) > _KEPT:
                del self._parts[next(iter(self._parts))]
        return parts

    def let_go(self) -> None:
        """Keep nothing of what is here; what is being fetched meanwhile is not kept either."""
        self._parts.clear()

    async def fetch(self, generation: str, videos: Collection[bytes], words: Collection[bytes]) -> Parts:
        """These parts of a generation, of which those that are not here are fetched, and kept from now on.

        What is not in Redis either is empty, and asked for again. Raises redis.RedisError.
        """
        kept = self.of(generation)
        # What is here now may be gone when the rest has come.
        found = Parts(
            Known({one: kept.videos.get(one, b"") for one in videos}),
            Known({one: kept.words.get(one, b"") for one in words}),
        )
        new_videos, new_words = ([one for one, part in each.items() if not part] for each in found)
        keys = [videos_key(generation, one) for one in new_videos] + [words_key(generation, one) for one in new_words]
        stored = await self._wire.ask_all([("GET", key) for key in keys])
        for ours, theirs, names, values in (
            (found.videos, kept.videos, new_videos, map(_of_video, stored[: len(new_videos)])),
            (found.words, kept.words, new_words, map(_of_words, stored[len(new_videos) :])),
        ):
            new = {one: part for one, part in zip(names, values, strict=True) if part}
            ours.update(new)
            theirs.keep(new)
        return found


def _of_video(stored: bytes | None) -> bytes:
    """The beginning of a slot, up to where its position stands."""
    return b"" if stored is None else stored[:-1] + b',"position":'


def _of_words(stored: bytes | None) -> bytes:
    """The end of a slot, and the comma after it; what follows in another line is for why.py."""
    if stored is None:
        return b""
    sent = stored.partition(b"\n")[0]
    return b"}," if sent == b"{}" else b",%b," % sent[1:]
