"""What viewers refused, until a night has built feeds without it: the endpoint leaves it out of what it shows them.

Belongs here: where a refusal is remembered, and how long. Which events refuse a video: serving/interactions.py. Who
leaves it out: reader.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from serving.feed_store.wire import Script

# The next night builds feeds without what was refused; the feed for strangers is built with nobody in mind.
TTL_S = 60 * 86_400

# At once: a connection lost in between would leave a set that never goes away.
_REMEMBER = Script(f"redis.call('SADD', KEYS[1], ARGV[1]) redis.call('EXPIRE', KEYS[1], {TTL_S})")


def key(viewer_id: str) -> str:
    return f"refused:{viewer_id}"


def remembering(refusals: Iterable[tuple[str, str]]) -> Iterator[tuple[Script, str, str]]:
    """What to run, on which key with which word: then these viewers (first) are shown these videos (second) no more."""
    for viewer_id, video_id in refusals:
        yield _REMEMBER, key(viewer_id), video_id
