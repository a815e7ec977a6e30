"""What becomes of uploads while and after they are worked on, for the endpoint to answer with.

Belongs here: telling Redis. What it keeps, and for how long: serving/feed_store/outcomes.py. What is published has a
card: cards.py. The whole truth, which outlives Redis: silver.videos (answers.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jobs.host.redis_server import redis_url
from jobs.media.status import Status
from jobs.settings import Settings

if TYPE_CHECKING:
    import redis

_log = logging.getLogger(__name__)


def say_processing(upload_ids: Collection[str], settings: Settings) -> None:
    """Say that uploads are worked on now."""
    from serving.feed_store import outcomes

    if upload_ids:
        _say(lambda client: outcomes.write_processing(client, upload_ids), settings)


def say_refused(videos: Iterable[Mapping[str, Any]], settings: Settings) -> None:
    """Say why clips are refused; `videos` has `upload_id`, `status` and `reason`, of others too.

    Before the table does: a run that is killed in between comes to the same end again, and one that was killed after
    it would never look at them again.
    """
    from serving.feed_store import outcomes

    reasons = {row["upload_id"]: row["reason"] for row in videos if row["status"] == Status.REJECTED}
    if reasons:
        _say(lambda client: outcomes.write_refused(client, reasons), settings)


def _say(write: Callable[[redis.Redis], None], settings: Settings) -> None:
    """Tell Redis. One that is away keeps nobody's clip from being published: its creator waits for a word, no more."""
    import redis

    with redis_url(settings) as url, redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
        try:
            write(client)
        except redis.RedisError as error:
            _log.warning("creators are not told what becomes of their uploads: %s", error)
