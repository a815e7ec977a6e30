"""Withdrawal of one's own video over HTTP.

Belongs here: the route, and the event that the platform keeps of it. What it takes out of Redis:
feed_store/withdrawn.py. What a job makes of the event: jobs/media/publish.py.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

import orjson
import redis
from fastapi import APIRouter, Query
from starlette.responses import Response

from serving.events import Event, EventKeeper
from serving.feed_store.layout import WITHDRAWN, video_key
from serving.feed_store.reader import FeedReader
from serving.feed_store.withdrawn import withdraw
from serving.feeds import PREFIX, unknown_video
from serving.ids import Id
from serving.interactions import EventType
from serving.problems import Problem, documented

# For each of some answers: it is asked what no page waits for.
_PATIENCE_S = 5.0


def router(reader: FeedReader, keeper: EventKeeper, redis_url: str) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix=PREFIX, tags=["videos"])

    @routes.delete(
        "/videos/{video_id}",
        status_code=HTTPStatus.NO_CONTENT,
        response_class=Response,
        responses=documented(
            HTTPStatus.FORBIDDEN,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
            HTTPStatus.INSUFFICIENT_STORAGE,
        ),
    )
    async def withdraw_video(
        video_id: Id, user_id: Annotated[Id, Query(description="Who made the video and withdraws it.")]
    ) -> Response:
        """Withdraw one's own video: from the next read on no feed and no list has it, and no playlist of it answers.

        204, however often it is asked. 503: some of it may be there still; ask again. It does not come back, and the
        same bytes of the same person are the same video.
        """
        card, withdrawn_at = await reader.wire.ask_all([("GET", video_key(video_id)), ("ZSCORE", WITHDRAWN, video_id)])
        found = {} if card is None else orjson.loads(card)
        if withdrawn_at is None:
            if card is None:
                raise unknown_video(video_id)
            if found["user_id"] != user_id:
                detail = f"the video {video_id} is not one that {user_id} made"
                raise Problem(HTTPStatus.FORBIDDEN, "not-your-video", detail)
            await _keep(video_id, user_id)
        # In a thread: it waits for Redis some ten times.
        await asyncio.to_thread(_withdraw, video_id, found.get("playback_url"))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _keep(video_id: str, user_id: str) -> None:
        now = datetime.now(UTC)
        event = Event.model_construct(
            user_id=user_id, video_id=video_id, event_type=EventType.WITHDRAW, event_at=now
        )  # nobody may send one as an event
        kept = await asyncio.to_thread(keeper.append, [event.record(now)])
        if kept is not None:
            await asyncio.wrap_future(kept)

    def _withdraw(video_id: str, playback_url: str | None) -> None:
        with redis.Redis.from_url(redis_url, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S) as client:
            withdraw(client, video_id, playback_url)

    return routes
