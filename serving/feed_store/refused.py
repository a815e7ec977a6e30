"""What viewers refused, until a night has built feeds without it: the endpoint leaves it out of what it shows them.

Belongs here: where a refusal is remembered, and how long. Which events refuse a video: serving/interactions.py. Who
leaves it out: reader.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from serving.feed_store.layout import in_key
from serving.feed_store.wire import Script

# The next night builds feeds without what was refused; the feed for strangers is built with nobody in mind.
TTL_S = 60 * 86_400
# A page looks at all of them within Redis, where everybody waits for it: 20,000 take 36 ms. Any go before the new ones
# come; a night leaves out the others all the same.
MOST = 2_000
# With what all keys begin.
KEYS = "refused:"

# At once: a connection lost in between would leave a set that never goes away.
_REMEMBER = Script(f"""
local over = redis.call('SCARD', KEYS[1]) + #ARGV - {MOST}
if over > 0 then redis.call('SPOP', KEYS[1], over) end
redis.call('SADD', KEYS[1], unpack(ARGV))
redis.call('EXPIRE', KEYS[1], {TTL_S})
""")


def key(viewer_id: str) -> str:
    return f"{KEYS}{{seen:{in_key(viewer_id)}}}"


def remembering(refusals: Iterable[tuple[str, str]]) -> Iterator[tuple[Script, str, list[str]]]:
    """What to run, on which key with which words: then these viewers (first) are shown these videos (second) no more.

    No more of one viewer's than MOST.
    """
    videos: dict[str, list[str]] = defaultdict(list)
    for viewer_id, video_id in refusals:
        videos[viewer_id].append(video_id)
    for viewer_id, theirs in videos.items():
        yield _REMEMBER, key(viewer_id), theirs
