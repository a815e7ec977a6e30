"""One more day of the simulated world, on the feeds that the platform serves on that day.

Belongs here: who opens the feed and what it shows them, read page by page as an app does. What they do with it:
behaviour.py. Writing it down as events: simulate.py.

Who opens the feed and when depends on the world and the day alone, and so do the dice of each slot. So a day can be
lived on the feeds of two systems, and what differs is what they showed. What the viewers really think of a video
(SimulatedWorld.liking) stays here: the platform learns what they do.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import numpy as np
import orjson

from jobs.sim import behaviour
from jobs.sim.behaviour import PARTS_OF_DAY, SLOTS, Sessions
from jobs.sim.world import Ints, SimulatedWorld, video_number, viewer_id
from serving.feed_store.reader import FeedReader

# Nobody waits in front of a screen here, and a day must not end since Redis was busy.
PATIENCE_S = 30.0


class Slot(NamedTuple):
    """What a viewer is shown next: a video of this world, its place in the feed, and the version of the feed."""

    video: int
    position: int
    feed_version: str


class Served(NamedTuple):
    """Sessions on served feeds: of each slot its position in the feed (N, SLOTS), and of each session the version."""

    sessions: Sessions
    position: Ints
    feed_version: list[str]


def live(world: SimulatedWorld, day: int, redis_url: str) -> list[Served]:
    """All sessions of a day, which counts from 0, on the feeds of this Redis, in the order of time.

    A session goes on where the viewer's last one of the day ended. Someone to whom the feed shows fewer than SLOTS
    further videos stays away.
    """
    return asyncio.run(_live(world, day, redis_url))


def served_version(redis_url: str) -> str:
    """The version of the feeds that viewers get. Raises NoFeedPublished."""

    async def ask() -> str:
        async with FeedReader(redis_url, PATIENCE_S) as reader:
            return await reader.current_version()

    return asyncio.run(ask())


async def _live(world: SimulatedWorld, day: int, redis_url: str) -> list[Served]:
    feeds, liking = dict[int, AsyncIterator[Slot]](), world.liking(day)
    found = []
    async with FeedReader(redis_url, PATIENCE_S) as reader:
        for part in range(len(PARTS_OF_DAY)):
            rng = np.random.default_rng([world.seed, 3, day, part])
            viewer, begin = behaviour.openings(rng, world, day, part)
            shown = []
            for one in viewer.tolist():
                feed = feeds.setdefault(one, _scroll(reader, world, viewer_id(one)))
                shown.append([slot async for slot in _next(feed, SLOTS)])
            is_full = np.array([len(slots) == SLOTS for slots in shown], dtype=np.bool_)
            # The dice of all are thrown, so that those who stay away change nothing for the others.
            places = [[slot[:2] for slot in slots] if len(slots) == SLOTS else [(0, 0)] * SLOTS for slots in shown]
            video, position = np.moveaxis(np.array(places, dtype=np.int64).reshape(-1, SLOTS, 2), 2, 0)
            group = behaviour.watch(rng, world, f"{day:02d}-{part}", day, viewer, begin, video, liking)
            versions = [slots[0].feed_version for slots in shown if len(slots) == SLOTS]
            found.append(Served(group.of(is_full), position[is_full], versions))
    return found


async def _scroll(reader: FeedReader, world: SimulatedWorld, viewer: str) -> AsyncIterator[Slot]:
    """The slots of a viewer's feed from its top, without videos that do not belong to this world."""
    page = await reader.first_page(viewer, SLOTS)
    while True:
        for slot in orjson.loads(b"[%b]" % page.slots):
            video = video_number(slot["video_id"])
            if video is not None and video < world.videos:
                yield Slot(video, slot["position"], page.version)
        if page.following is None:
            return
        page = await reader.next_page(page.following, viewer, SLOTS)


async def _next(feed: AsyncIterator[Slot], many: int) -> AsyncIterator[Slot]:
    """So many of the slots that come next, or those that are left."""
    for _ in range(many):
        slot = await anext(feed, None)
        if slot is None:
            return
        yield slot
