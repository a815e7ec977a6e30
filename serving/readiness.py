"""Whether this process can do its work, and how each thing that it depends on is: GET /readyz.

Belongs here: asking each dependency, and what makes the endpoint unready. That the process lives at all: /livez in
app.py. How a problem looks: problems.py.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from serving.events import EventKeeper
from serving.feed_store.layout import is_stale
from serving.feed_store.reader import FeedReader
from serving.media import MediaFiles, MediaObjects
from serving.problems import documented, problem_of

OK = "ok"


class Readiness(BaseModel):
    """What /readyz answers; a dependency is `ok`, or says what is wrong with it."""

    status: Literal["ready"]
    feed_version: str
    is_stale: bool
    dependencies: dict[str, str]


def router(reader: FeedReader, events: EventKeeper, media: MediaFiles | MediaObjects) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/readyz", responses=documented(HTTPStatus.SERVICE_UNAVAILABLE))
    async def readyz() -> Readiness:
        """Feeds can be served: Redis answers and a version is published, `is_stale` when newer ones are overdue.

        Events that nobody takes and media that cannot be read are named and make nobody unready: feeds go on, and other
        copies have them as well.
        """
        unreadable = await media.why_unreadable()
        others = {
            "events": await asyncio.to_thread(events.why_it_takes_nothing) or OK,
            "media": f"the media cannot be read: {unreadable}" if unreadable else OK,
        }
        try:
            current = await reader.current_version()
        except Exception as error:
            problem = problem_of(error)
            problem.extensions = {"dependencies": {"feeds": problem.detail, **others}}
            raise problem from error
        return Readiness(
            status="ready",
            feed_version=current,
            is_stale=is_stale(current, datetime.now(UTC)),
            dependencies={"feeds": OK, **others},
        )

    return routes
