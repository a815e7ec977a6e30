"""What is like a video: the list of each, written by a night and read by the endpoint.

Belongs here: these keys. Which videos are alike: jobs/ranking/similar.py. Who writes lists: jobs/feeds/related.py.
HTTP: serving/related.py.

    related             string  the night (YYYY-MM-DD) that wrote lists last
    related:<video_id>  string  ids of the videos most like it, nearest first, a line each; it goes after TTL_S

Ids rather than cards: what is shown of a video is its card of now, and none of one that was withdrawn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, cast

import redis

from serving.feed_store.layout import CHUNK
from serving.feed_store.scan import scan

if TYPE_CHECKING:
    from serving.feed_store.reader import FeedReader

# Of a video: with ids of 32 characters, 0.8 KiB of Redis for the list and its key.
MOST = 20
# A list outlives a week of nights that fail.
TTL_S = 8 * 86_400
_NIGHT = "related"
_KEYS = "related:"


def begin(client: redis.Redis, night: date) -> bool:
    """Whether the lists of a night may be written: not where those of a later one are, or began to be."""
    written = cast("bytes | None", client.get(_NIGHT))
    if written is not None and written.decode() > night.isoformat():
        return False
    client.set(_NIGHT, night.isoformat())
    return True


def write(client: redis.Redis, lists: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Write for each video (first) those that are like it (second), nearest first."""
    rest = iter(lists)
    while chunk := list(islice(rest, CHUNK)):
        with client.pipeline(transaction=False) as pipe:
            for video_id, others in chunk:
                pipe.set(f"{_KEYS}{video_id}", "\n".join(others), ex=TTL_S)
            pipe.execute()


async def related(reader: FeedReader, video_id: str, limit: int) -> list[bytes] | None:
    """The cards of the published videos that are most like this one; None where it is not published itself."""
    card, listed = await asyncio.gather(reader.video(video_id), reader.wire.ask("GET", f"{_KEYS}{video_id}"))
    if card is None:
        return None
    # All of them, since some may have been withdrawn meanwhile.
    return (await reader.videos(listed.decode().split("\n")))[:limit] if listed else []


def forget(client: redis.Redis, video_ids: Collection[str]) -> int:
    """Remove the lists of these videos, and them from all others; returns how many lists. It reads all lists."""
    changed = 0
    for keys in scan(client, f"{_KEYS}*"):
        for chunk in (keys[n : n + CHUNK] for n in range(0, len(keys), CHUNK)):
            changed += _forget(client, chunk, video_ids)
    return changed


def _forget(client: redis.Redis, keys: Sequence[str], video_ids: Collection[str]) -> int:
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.get(key)
        lists = [(reply or b"").decode().split("\n") for reply in pipe.execute()]
    changed = 0
    with client.pipeline(transaction=False) as pipe:
        for key, others in zip(keys, lists, strict=True):
            left = [one for one in others if one not in video_ids]
            is_theirs = key.removeprefix(_KEYS) in video_ids
            if is_theirs or not left:
                pipe.unlink(key)
            elif len(left) < len(others):
                pipe.set(key, "\n".join(left), keepttl=True, xx=True)  # what has just expired would stay for ever
            changed += is_theirs or len(left) < len(others)
        pipe.execute()
    return changed
