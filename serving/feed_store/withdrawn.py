"""Videos that their creators have withdrawn: gone from what is served at once, until the tables say so too.

Belongs here: these keys, and taking back what is written of such a video. What no list shows any more: hidden.py. The
event by which the platform learns of it: serving/withdrawals.py.

    withdrawn         sorted  ids of videos, by when they were withdrawn (seconds since 1970)
    withdrawn:media   set     folders of the media store whose playlists are answered no more

A night that read the tables before the event came would bring a video back. So whoever writes something of a video
looks here afterwards, and takes it back: its id is here before anything is taken out, so that one of both sees it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import cast

import redis

from serving.feed_store.forgotten import shorten
from serving.feed_store.hidden import hide
from serving.feed_store.layout import VIDEOS, WITHDRAWN, fallback_key, name, video_key, videos_key
from serving.feed_store.outcomes import write_refused
from serving.feed_store.shapes import MEDIA
from serving.interactions import WITHDRAWN_WHY

# For good: the clips stay, and nothing else says that they are not to be played.
MEDIA_FOLDERS = "withdrawn:media"
# Events are taken in within minutes; two months are patience with an ingest that is broken.
_TTL_S = 60 * 86_400


def withdraw(client: redis.Redis, video_id: str, playback_url: str | None) -> None:
    """Take a video, and what plays it, out of all that is served. Killed in between: run it again."""
    now = time.time()
    with client.pipeline(transaction=True) as pipe:
        pipe.zadd(WITHDRAWN, {video_id: now}, nx=True)
        pipe.zremrangebyscore(WITHDRAWN, "-inf", now - _TTL_S)
        pipe.expire(WITHDRAWN, _TTL_S)
        pipe.execute()
    for folder in _folders([playback_url]):
        client.sadd(MEDIA_FOLDERS, folder)
    write_refused(client, {video_id: WITHDRAWN_WHY})
    hide(client, {video_id: True})


def take_back_cards(client: redis.Redis, cards: Iterable[tuple[str, str | None]]) -> None:
    """Of cards that were just written, by their ids and what plays them, remove those of withdrawn videos.

    Others play, also where somebody has withdrawn the same bytes.
    """
    written = dict(cards)
    withdrawn = _among(client, written)
    with client.pipeline(transaction=False) as pipe:
        for one in withdrawn:
            pipe.unlink(video_key(one))
            pipe.zrem(VIDEOS, one)
        if folders := _folders(url for one, url in written.items() if one not in withdrawn):
            pipe.srem(MEDIA_FOLDERS, *folders)
        pipe.execute()


def take_back_slots(client: redis.Redis, generation: str, video_ids: Iterable[str]) -> None:
    """Of videos of which a generation was just told, remove what it says of withdrawn ones."""
    withdrawn = _among(client, video_ids)
    with client.pipeline(transaction=False) as pipe:
        for one in withdrawn:
            pipe.unlink(videos_key(generation, name(one)))
        pipe.execute()
    if withdrawn:
        shorten(client, [fallback_key(generation)], withdrawn, [])


def _among(client: redis.Redis, video_ids: Iterable[str]) -> set[str]:
    """Those of these videos that were withdrawn."""
    ids = list(video_ids)
    since = cast("list[float | None]", client.zmscore(WITHDRAWN, ids)) if ids else []
    return {one for one, at in zip(ids, since, strict=True) if at is not None}


def _folders(playback_urls: Iterable[str | None]) -> set[str]:
    """Below MEDIA each clip has a folder, named for its bytes."""
    return {url.removeprefix(f"{MEDIA}/").partition("/")[0] for url in playback_urls if url is not None}
