"""What viewers refused, until a night has built feeds without it: the endpoint leaves it out of what it shows them.

Belongs here: which events refuse a video, and how long that is remembered. Who leaves it out: reader.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

# The jobs ask for REFUSALS, and no DAG file may wait for a client of Redis.
if TYPE_CHECKING:
    import redis.asyncio.client
    import redis.client

REFUSALS = ("not_interested", "report")
# The next night builds feeds without what was refused; the feed for strangers is built with nobody in mind.
TTL_S = 60 * 86_400


def key(user_id: str) -> str:
    return f"refused:{user_id}"


def remember(pipe: redis.client.Pipeline | redis.asyncio.client.Pipeline, refusals: Iterable[tuple[str, str]]) -> None:
    """Queue the commands after which these users (first) are shown these videos (second) no more."""
    for user_id, video_id in refusals:
        pipe.sadd(key(user_id), video_id)
        pipe.expire(key(user_id), TTL_S)
