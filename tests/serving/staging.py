"""Whole slots into a staged version: what a publish takes apart in Spark, for tests that have a few of them.

Belongs here: what test rooms that publish feeds by hand share.
"""

from collections.abc import Iterable, Mapping, Sequence

from serving.feed_store.layout import encode
from serving.feed_store.writer import FeedStore

WORDS = ("reason", "propensity")
Slots = Sequence[Mapping[str, object]]


def write_feeds(store: FeedStore, version: str, feeds: Iterable[tuple[str, Slots]]) -> int:
    """Stage one feed per viewer, and what its slots say of their videos; returns how many were written.

    The position of a slot is its place.
    """
    feeds = list(feeds)
    videos = {str(slot["video_id"]): slot for _, slots in feeds for slot in slots}
    beside = (*WORDS, "position")
    store.write_parts(version, [{k: v for k, v in slot.items() if k not in beside} for slot in videos.values()])
    return store.write_feeds(
        version,
        [
            (
                viewer_id,
                [str(slot["video_id"]) for slot in slots],
                [encode({k: v for k, v in slot.items() if k in WORDS}) for slot in slots],
            )
            for viewer_id, slots in feeds
        ],
    )
