"""Takes videos out of what is served at once, whatever feeds have them: those that may be listed no more.

Belongs here: which values say something of such a video, and how readers hear of it. Who decides: the platform's jobs.
A person who is forgotten: forgotten.py.

No feed is touched. Feeds name their videos, and what a slot says of one lies once in a version; a slot whose video says
nothing is none. So one video costs as many keys as there are versions, for however many viewers.
"""

from __future__ import annotations

from collections.abc import Mapping

import redis

from serving.feed_store.forgotten import forget_trending, generations, shorten
from serving.feed_store.layout import CHUNK, HIDDEN, VIDEOS, fallback_key, name, video_key, videos_key
from serving.feed_store.related import forget as forget_related


def hide(client: redis.Redis, videos: Mapping[str, bool]) -> None:
    """Leave these videos out of all lists; where the value says so, let go of their cards too.

    Killed in between, some are still listed: run it again.
    """
    ids = list(videos)
    held = generations(client)
    keys = [video_key(one) for one in ids if videos[one]]
    keys += [videos_key(generation, name(one)) for generation in held for one in ids]
    for some in (keys[n : n + CHUNK] for n in range(0, len(keys), CHUNK)):
        with client.pipeline(transaction=False) as pipe:
            for key in some:
                pipe.unlink(key)
            pipe.execute()
    if dropped := [one for one in ids if videos[one]]:
        client.zrem(VIDEOS, *dropped)
    shorten(client, [fallback_key(generation) for generation in held], ids, [])
    # These lists show cards, and nothing of what has none.
    if limited := [one for one in ids if not videos[one]]:
        forget_trending(client, limited)
        forget_related(client, limited)
    # At last: who hears of it finds nothing of them any more.
    client.incr(HIDDEN)
