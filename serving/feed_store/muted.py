"""What viewers muted, of all that they say of it at once: whose videos, and which hashtags, they are shown no more.

Belongs here: whose word holds. Which events mute: serving/interactions.py. What it hides, and where: reader.py. How
a night has it: jobs/ranking/refused.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple


class MuteWord(NamedTuple):
    """A viewer muted, or unmuted, a hashtag; where that is None, the creator of the video."""

    viewer_id: str
    video_id: str
    hashtag: str | None
    at: datetime
    is_muted: bool


class Muted(NamedTuple):
    """What one viewer muted."""

    creators: set[str]
    hashtags: set[str]

    def covers(self, slot: Mapping[str, Any]) -> bool:
        """Whether a slot shows some of it."""
        return slot.get("user_id") in self.creators or not self.hashtags.isdisjoint(slot.get("hashtags", ()))


def last_words(words: Iterable[MuteWord], creators: Mapping[str, str]) -> dict[str, Muted]:
    """By viewer what they muted and did not unmute later; `creators` has who made which video, as far as is known.

    Of two words at one instant the mute holds, as at night.
    """
    last: dict[tuple[str, str | None, str | None], bool] = {}
    for word in sorted(words, key=lambda one: (one.at, one.is_muted)):
        creator_id = creators.get(word.video_id) if word.hashtag is None else None
        last[word.viewer_id, creator_id, word.hashtag] = word.is_muted
    muted: dict[str, Muted] = {}
    for (viewer_id, creator_id, hashtag), is_muted in last.items():
        if is_muted and (creator_id, hashtag) != (None, None):
            theirs = muted.setdefault(viewer_id, Muted(set(), set()))
            if creator_id is not None:
                theirs.creators.add(creator_id)
            if hashtag is not None:
                theirs.hashtags.add(hashtag)
    return muted
