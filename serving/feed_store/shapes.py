"""The shapes of what is stored for clients: a slot of a feed, the card of a video, and an item of what rises.

Belongs here: fields, their types and what they mean, once for the jobs that write them, for the endpoint that sends
them and for its documentation. No client of Redis is imported, since every DAG file loads this. Where the bytes lie:
layout.py. Which rows of the tables become them: jobs/feeds/publish.py,
jobs/media/cards.py and jobs/feeds/trending.py.
"""

from enum import StrEnum

from pydantic import BaseModel, Field

# Below this path the endpoint serves the media store, and the addresses of playlists and posters begin with it.
MEDIA = "/media"

# Of which first seconds a player is told what they weigh.
FIRST_SECONDS = (1, 2, 3, 5)


class Preload(BaseModel):
    """What a player needs for the first frame at once, and what it should not load in vain."""

    playlist_url: str = Field(description="HLS media playlist of the rendition to start with.")
    bytes: dict[str, int] = Field(
        description=f"Of that rendition: the bytes to fetch for the first {FIRST_SECONDS} seconds, by their number."
    )
    watch_seconds: float | None = Field(
        description="For how long a viewer watches it, on average over everybody who has; null where nobody has yet."
    )


class Video(BaseModel):
    """One published video: its card."""

    video_id: str
    user_id: str = Field(description="Who made it.")
    title: str
    hashtags: list[str]
    duration: float = Field(description="Seconds.")
    published_at: str = Field(description="ISO 8601, UTC.")
    views: int
    likes: int
    playback_url: str | None
    poster_url: str | None
    preload: Preload | None = Field(
        default=None, description="Null without media, and of clips of before there was it."
    )


class Slot(Video):
    """One place in a feed: its video's card as it was when the feed was published, and what is its viewer's own."""

    position: int = Field(description="0-based place in the whole feed; send it back with the events of this video.")
    reason: str = Field(description="Why this video is here.")
    propensity: float | None = Field(
        default=None,
        description="Not null where chance has filled this place: the probability with which this video came here. "
        "Events need not repeat it.",
    )


class Origin(BaseModel):
    """Where a slot comes from: stored with its words, and in no page. All null in feeds of before there was it."""

    source: str | None = Field(
        default=None, description="What proposed the video first, such as item_item, or chance; null for a stranger."
    )
    policy_version: str | None = Field(
        default=None, description="The numbers by which what was proposed was put in order and spaced; as `source`."
    )
    feed_arm: str | None = Field(
        default=None, description="Where policies or systems are compared on shares of viewers: in which one this is."
    )


class Explanation(Origin):
    """Why a video is in a viewer's feed."""

    user_id: str
    video_id: str
    feed_version: str
    is_fallback: bool = Field(default=False, description="True for a stranger, who has the same feed as all others.")
    position: int = Field(default=0, description="0-based place in the whole feed.")
    reason: str | None = Field(default=None, description="The same in words.")
    propensity: float | None = Field(
        default=None, description="As in the slot: not null where chance has filled the place."
    )


class TrendingKind(StrEnum):
    """What may rise."""

    VIDEOS = "videos"
    HASHTAGS = "hashtags"
    SOUNDS = "sounds"


class TrendingItem(BaseModel):
    """One place in a list of what rises."""

    rank: int = Field(description="Its place, from 1.")
    id: str = Field(description="The video, the hashtag without its sign, or the sound.")
    score: float = Field(description="How many standard deviations it is above what was to be expected.")
    people: int = Field(description="Different people who watched it in the last half day and do not act together.")
    reason: str = Field(description="Why it is here.")
    video: Video | None = Field(default=None, description="Of videos: its card.")
