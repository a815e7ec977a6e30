"""What is like a video, over HTTP.

Belongs here: the route. Where the lists lie: feed_store/related.py.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from serving.answers import NOT_MODIFIED, answer
from serving.feed_store.reader import FeedReader
from serving.feed_store.related import MOST, related
from serving.feeds import DEFAULT_LIMIT, PREFIX, VIDEO_CACHE, Cards, unknown_video
from serving.ids import Id
from serving.problems import documented


def router(reader: FeedReader) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix=PREFIX, tags=["videos"])

    @routes.get(
        "/videos/{video_id}/related",
        response_model=None,
        responses={
            HTTPStatus.OK: {"model": Cards},
            **NOT_MODIFIED,
            **documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
        },
    )
    async def related_videos(
        video_id: Id,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MOST, description="Videos at most.")] = DEFAULT_LIMIT,
    ) -> Response:
        """The videos that are most like one, as of last night, nearest first: what those who watched it watch too.

        Without those that are published no more; none where nobody has watched it yet.
        """
        cards = await related(reader, video_id, limit)
        if cards is None:
            raise unknown_video(video_id)
        return answer(request, b'{"items":[%b]}' % b",".join(cards), VIDEO_CACHE)

    return routes
