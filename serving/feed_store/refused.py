"""What viewers refused, until a night has built feeds without it: the endpoint leaves it out of what it shows them.

Belongs here: where a refusal is remembered, and how long. Which events refuse a video: serving/interactions.py. Who
leaves it out: reader.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import redis.asyncio.client
import redis.client

# The next night builds feeds without what was refused; the feed for strangers is built with nobody in mind.
TTL_S = 60 * 86_400


def key(viewer_id: str) -> str:
    return f"refused:{viewer_id}"


def remember(pipe: redis.client.Pipeline | redis.asyncio.client.Pipeline, refusals: Iterable[tuple[str, str]]) -> None:
    """Queue the commands after which these viewers (first) are shown these videos (second) no more."""
    for viewer_id, video_id in refusals:
        pipe.sadd(key(viewer_id), video_id)
        pipe.expire(key(viewer_id), TTL_S)
