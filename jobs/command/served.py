"""What is served, as a terminal shows it.

Belongs here: `reelmill feeds list` and `show`. What is in Redis: serving/feed_store/held.py and jobs/feeds/shown.py.
"""

from __future__ import annotations

from typing import Any

import redis

from jobs.command.console import print_json, say, table
from jobs.feeds.shown import shown
from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from serving.feed_store.held import Held, held

VERSIONS = ("night", "version", "viewers", "bytes a viewer", "")
SLOTS = ("slot", "video", "title", "creator", "drawn by chance", "why")


def versions(settings: Settings, as_json: bool) -> None:
    """The versions that can be served at once, and what they take in Redis."""
    with redis_url(settings) as url, redis.Redis.from_url(url) as client:
        found = held(client)
    if as_json:
        return print_json([one._asdict() for one in found])
    if not found:
        return say("No feeds are published: `reelmill pipeline nightly` makes and publishes them.")
    cells = [
        (str(one.night or ""), one.version, str(one.viewers), f"{one.bytes_per_viewer:.0f}", _until(one))
        for one in found
    ]
    table(VERSIONS, cells, right=(2, 3))


def feed(viewer_id: str, settings: Settings, as_json: bool) -> None:
    """A viewer's feed as the endpoint gives it out now."""
    found = shown(viewer_id, settings)
    if as_json:
        return print_json(found._asdict())
    whose = f"{viewer_id} has no feed of their own, or has seen all of it, and gets the one for strangers"
    say(f"{found.version}: {whose if found.is_fallback else f'what {viewer_id} was not shown yet'}")
    table(SLOTS, list(map(_cells, found.slots)), right=(0, 4))


def _cells(slot: dict[str, Any]) -> tuple[str, ...]:
    """Feeds of before there were such slots have no propensity."""
    chance = slot.get("propensity")
    drawn = "" if chance is None else f"{chance:.4f}"
    return str(slot["position"]), slot["video_id"], slot["title"], slot["user_id"], drawn, slot["reason"]


def _until(version: Held) -> str:
    if version.is_current:
        return "is served"
    return f"goes in {version.expires.total_seconds() / 3600:.0f} h" if version.expires else "stays"
