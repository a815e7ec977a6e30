"""Interactions: what a viewer can do with a video, and between which limits a report of it is plausible.

Belongs here: facts that the endpoint and the jobs share. Only the standard library is imported, since every DAG file
loads this. How an event is checked over HTTP: events.py. The contracts of bronze.events and silver.watches say the same
as rules of SQL, which cannot import anything: tests hold the two together (tests/events/test_ingest.py,
tests/policies/test_facts.py).
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum


class EventType(StrEnum):
    """The types of events. What each makes of a watch: jobs/events/watches.py."""

    IMPRESSION = "impression"
    VIEW = "view"
    LIKE = "like"
    SHARE = "share"
    COMMENT = "comment"
    FOLLOW = "follow"
    SKIP = "skip"
    NOT_INTERESTED = "not_interested"
    REPORT = "report"
    MUTE_CREATOR = "mute_creator"
    UNMUTE_CREATOR = "unmute_creator"
    MUTE_HASHTAG = "mute_hashtag"
    UNMUTE_HASHTAG = "unmute_hashtag"
    WITHDRAW = "withdraw"


# Whoever sends one of these is never shown the video again.
REFUSALS = (EventType.NOT_INTERESTED, EventType.REPORT)
# Whoever sends a mute is shown nothing more of who made the video, or nothing more with the hashtag that the event
# names, until the other one of the pair.
OF_CREATORS = (EventType.MUTE_CREATOR, EventType.UNMUTE_CREATOR)
OF_HASHTAGS = (EventType.MUTE_HASHTAG, EventType.UNMUTE_HASHTAG)
MUTES = (EventType.MUTE_CREATOR, EventType.MUTE_HASHTAG)
# Why a video that its creator withdrew is published no more, as an upload that is refused has a reason.
WITHDRAWN_WHY = "withdrawn: by its creator"
# Longer ones nobody reads.
MAX_HASHTAG = 200

# A clock that was never set says 1970; one that is far ahead would make tomorrow the newest day.
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
# Nobody watches one clip for longer than a day; a stuck client does.
MAX_WATCH_MS = 86_400_000
# Loops of a short clip exceed 1; no NaN and no infinity may enter a mean.
MAX_SHARE = 1_000.0
# More slots than any feed has.
POSITIONS = 100_000
