"""Key names, the pointer and the version of feeds, and the errors of the store.

Belongs here: what writer and reader must agree on.

    home                            string   whose database this is (jobs/host/redis_server.py)
    feed:current                    string   "<generation> <version>": THE pointer, moved in one command
    feed:<generation>:u:{seen:<viewer>} string one viewer's feed in order: of each slot its video and words (packed.py)
    feed:<generation>:v:<name>      string   what every slot of a video says of it: the encoded JSON object of its card
    feed:<generation>:w:<name>      string   words of slots: an encoded JSON object of what they say beside their video,
                                             and one, in another line, of what no page says (why.py)
    feed:<generation>:fallback      list     what a viewer without a feed of their own gets: a mark and all of a slot
    feed:<generation>:packed        string   there from the beginning, unless an older version wrote it (former.py)
    {feed:current}:version:<version> string  "<generation> <number of viewers>" of a committed version, for rollback
    {feed:current}:staging:<version> string  the generation that is being written and that no reader sees
    {feed:current}:generations      set      all generations that may be held, so that nobody looks among all keys
    {feed:current}:leaving          set      generations that are to get a time to live, unless one is current
    video:<video_id>                string   the encoded JSON object of one published video
    refused:{seen:<viewer>}         set      ids of videos that a viewer refused since feeds were built without them
    seen:<viewer>                   string   marks of the videos that a viewer was shown last (seen.py)
    videos                          sorted   ids of all videos that have one, by the night (days since 1970) it is of
    withdrawn                       sorted   ids of videos that their creators withdrew (withdrawn.py)

A generation is one attempt to publish a version, under a random name. So a publish that is killed, repeated or late can
never touch what readers are reading, and a cursor that pins a generation sees feeds that stay, but for slots of a
creator who is forgotten. What is current has no TTL, since nobody knows how many nights will fail; what is replaced
gets one that outlives every open page.

What slots of many viewers have in common lies in a generation once, under a name that is a hash: of a video's id, or of
the words themselves. So writers need no numbering, and readers may keep what they have read of a generation.

No command names keys of two slots of a Redis Cluster. What changes together lies in the pointer's (`{feed:current}`),
and what is asked together of a viewer in that of what they were shown; `<viewer>` is the id without braces (`in_key`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

import orjson

RETIRED_TTL_S = 2 * 86_400
MAX_SLOTS = 500
NAME_BYTES = 6
MARK_BYTES = 4
CHUNK = 200  # viewers or videos per round trip: some MB of commands, well under Redis' query buffer
HOME = "home"
POINTER = "feed:current"
LEAVING = f"{{{POINTER}}}:leaving"
GENERATIONS = f"{{{POINTER}}}:generations"
VIDEOS = "videos"
# How often videos were taken out of what is served: readers let go of what they keep of them.
HIDDEN = "hidden"
WITHDRAWN = "withdrawn"
# A night's feeds come some hours after its day has ended, and are replaced a day later; six hours are patience.
STALE_AFTER = timedelta(hours=30)

# What `version_of` writes, for Python and for SQL; its one group is the night.
NIGHT_OF_VERSION = r"^(\d{8})\..+"
_POINTER_TEXT = re.compile(rb"([0-9a-f]{12}) ([\x21-\x7e]+)")


class FeedStoreError(Exception):
    """Something about feeds in Redis that the caller has to act on; the text says what and where."""


class NothingStaged(FeedStoreError):
    """`begin` was not called for this version, or what it staged has expired."""


class EmptyPublish(FeedStoreError):
    """A publish without viewers, without a fallback or with an empty feed: an upstream failure, not a small world."""


class IncompletePublish(FeedStoreError):
    """Redis holds another number of feeds than the job says it wrote."""


class OlderNight(FeedStoreError):
    """A newer night is current, and nobody asked to go back."""


class UnknownVersion(FeedStoreError):
    """No committed version of that name or night is still held."""


class NoFeedPublished(FeedStoreError):
    """No version is current, so there is nothing to serve."""


class FeedExpired(FeedStoreError):
    """The pinned generation is gone: its TTL passed between two pages."""


class Pointer(NamedTuple):
    """What readers get: a generation, and the version it is an attempt at."""

    generation: str
    version: str

    @classmethod
    def parse(cls, raw: bytes | None) -> Pointer | None:
        """The pointer; None while nothing, or something else, stands in its place."""
        found = _POINTER_TEXT.fullmatch(raw or b"")
        return cls(found[1].decode(), found[2].decode()) if found else None

    def text(self) -> str:
        return f"{self.generation} {self.version}"


def version_of(night: date, model_version: str) -> str:
    """The night and the ranker: the same for all feeds of a night, and again when the night is repeated."""
    return f"{night:%Y%m%d}.{model_version}"


def night_of(version: str) -> date | None:
    """The day as of whose end the feeds of a version are; None for a version that no night made."""
    found = re.fullmatch(NIGHT_OF_VERSION, version)
    try:
        return datetime.strptime(found[1], "%Y%m%d").date() if found else None
    except ValueError:
        return None


def is_stale(version: str, now: datetime) -> bool:
    """Whether feeds of a newer night should have replaced this version."""
    fresh_until = _fresh_until(version)
    return fresh_until is not None and now > fresh_until


@lru_cache(16)  # asked for every page, of the same few versions
def _fresh_until(version: str) -> datetime | None:
    night = night_of(version)
    return None if night is None else datetime.combine(night + timedelta(days=1), time(), UTC) + STALE_AFTER


def encode(value: Mapping[str, object]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_SERIALIZE_NUMPY)


def name(text: str | bytes) -> bytes:
    """Six bytes that stand for a video by its id, or for words. Two of 10^6 have the same once in 560 catalogues."""
    raw = text.encode() if isinstance(text, str) else text
    return hashlib.sha1(raw, usedforsecurity=False).digest()[:NAME_BYTES]


def mark(video_id: str) -> bytes:
    """Four bytes that stand for a video. Of two hundred, one stands for another video too once in 2 * 10^7 times."""
    return name(video_id)[:MARK_BYTES]


def encode_slot(slot: Mapping[str, object]) -> bytes:
    """A slot of the list for strangers as it is stored."""
    return mark(str(slot["video_id"])) + encode(slot)


def json_of(slot: bytes) -> bytes:
    """The JSON of a slot of a list. One that was written before there were marks begins with it."""
    return slot[MARK_BYTES:] if slot.startswith(b"{", MARK_BYTES) else slot


def in_key(viewer_id: str) -> str:
    """An id as keys have it. Braces would say in which slot of a cluster the key lies."""
    if "%" in viewer_id or "{" in viewer_id or "}" in viewer_id:
        return viewer_id.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")
    return viewer_id


def feeds_of(generation: str) -> str:
    """With what the keys of all feeds of a generation begin."""
    return f"feed:{generation}:u:"


def feed_key(generation: str, viewer_id: str) -> str:
    return f"feed:{generation}:u:{{seen:{in_key(viewer_id)}}}"


def packed_key(generation: str) -> str:
    return f"feed:{generation}:packed"


def fallback_key(generation: str) -> str:
    return f"feed:{generation}:fallback"


def videos_key(generation: str, name: bytes) -> str:
    return f"feed:{generation}:v:{name.hex()}"


def words_key(generation: str, name: bytes) -> str:
    return f"feed:{generation}:w:{name.hex()}"


def version_key(version: str) -> str:
    return f"{{{POINTER}}}:version:{version}"


def staging_key(version: str) -> str:
    return f"{{{POINTER}}}:staging:{version}"


def video_key(video_id: str) -> str:
    return f"video:{video_id}"
