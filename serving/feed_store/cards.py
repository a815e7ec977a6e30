"""Cards of published videos in Redis: written by the night they are of, never replaced by an older one.

Belongs here: writing these values and letting go of those that a newer night no longer has. Their fields:
shapes.py. Their values: jobs/media/cards.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import islice
from typing import cast

import redis

from serving.feed_store.layout import CHUNK, RETIRED_TTL_S, VIDEOS, encode, video_key
from serving.feed_store.withdrawn import take_back_cards

_EPOCH = date(1970, 1, 1)


def write(client: redis.Redis, videos: Iterable[tuple[Mapping[str, object], date]]) -> int:
    """Write videos by their `video_id`, each with the night it is of, but for those that a newer night wrote.

    Returns how many.
    """
    written, rest = 0, iter(videos)
    while chunk := [(str(v["video_id"]), v, (night - _EPOCH).days) for v, night in islice(rest, CHUNK)]:
        days = cast("list[float | None]", client.zmscore(VIDEOS, [video_id for video_id, _, _ in chunk]))
        news = [
            (video_id, video, day)
            for (video_id, video, day), written_of in zip(chunk, days, strict=True)
            if written_of is None or written_of <= day
        ]
        if not news:
            continue
        # Ids first: a value without its id, which a kill would leave, would never be let go.
        client.zadd(VIDEOS, {video_id: day for video_id, _, day in news})
        with client.pipeline(transaction=False) as pipe:
            for video_id, video, _ in news:
                pipe.set(video_key(video_id), encode(video))
            pipe.execute()
        plays = ((video_id, cast("str | None", video.get("playback_url"))) for video_id, video, _ in news)
        take_back_cards(client, plays)
        written += len(news)
    return written


def let_go_before(client: redis.Redis, night: date) -> None:
    """Give the videos that only nights before this one wrote a time to live: they are published no more.

    Pages of older feeds that are still open may ask for them for that long.
    """
    before = f"({(night - _EPOCH).days}"
    while ids := cast("list[bytes]", client.zrange(VIDEOS, "-inf", before, byscore=True, offset=0, num=CHUNK)):
        with client.pipeline(transaction=False) as pipe:
            for video_id in ids:
                pipe.expire(video_key(video_id.decode()), RETIRED_TTL_S)
            pipe.execute()
        client.zrem(VIDEOS, *ids)
