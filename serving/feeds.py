"""Feeds and videos over HTTP: what a client app reads.

Belongs here: the paging protocol and the envelope around stored bytes. What the bytes say, and where they are:
feed_store/. What clients send back: events.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qsl

import orjson
from fastapi import APIRouter, Query
from prometheus_client import Counter
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from serving.answers import HEADERS, JSON, NOT_MODIFIED, WITHOUT_REDIS, answer
from serving.cursor import CursorSigner
from serving.feed_store.layout import NoFeedPublished, is_stale
from serving.feed_store.reader import FeedReader, Page
from serving.feed_store.shapes import Explanation, Slot, Video
from serving.feed_store.why import why
from serving.ids import MAX_ID, PATTERN, Id, is_id, why_not
from serving.problems import Problem, documented, invalid_request

# A feed is one person's, and changes with the next publish and with what was shown: no shared cache may keep it, and
# their own asks whether it is still so.
_FEED_CACHE = b"private, no-cache"
VIDEO_CACHE = b"public, max-age=60"

PREFIX = "/v1"
FEED = "/feed/{user_id}"
MAX_CURSOR = 1024
DEFAULT_LIMIT = 10
MAX_LIMIT = 100
# Of the longest ids, what proxies still take in one line (8 KB).
MAX_IDS = 50

# What `_asked` checks, as OpenAPI says it. FastAPI's own checks would be a quarter of a feed page's time.
_FEED_PARAMETERS = [
    {
        "name": "user_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_ID, "pattern": PATTERN},
    },
    {
        "name": "limit",
        "in": "query",
        "description": "Slots per page.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    },
    {
        "name": "cursor",
        "in": "query",
        "description": "`next_cursor` of the page before; without it the feed starts from its top.",
        "schema": {"type": "string", "maxLength": MAX_CURSOR},
    },
]


class FeedPage(BaseModel):
    """Some consecutive slots of one feed. Says the shape to readers of /docs; the service sends stored bytes."""

    user_id: str
    feed_version: str = Field(description="Send it back with the events of these videos.")
    is_fallback: bool = Field(description="True for a stranger: the feed is the same for everyone without one.")
    is_stale: bool = Field(description="True when a newer night should have replaced this version and has not.")
    items: list[Slot]
    next_cursor: str | None = Field(description="Pass it as `cursor` for what follows; null at the end.")


class Cards(BaseModel):
    """Some published videos. Says the shape to readers of /docs; the service sends stored bytes."""

    items: list[Video]


def render(page: Page, viewer_id: str, next_cursor: str | None) -> bytes:
    """The JSON of a page around its stored slots, none of which is decoded or encoded again."""
    return b'{"user_id":%b,"feed_version":%b,"is_fallback":%b,"is_stale":%b,"items":[%b],"next_cursor":%b}' % (
        orjson.dumps(viewer_id),
        orjson.dumps(page.version),
        orjson.dumps(page.is_fallback),
        orjson.dumps(is_stale(page.version, datetime.now(UTC))),
        page.slots,
        orjson.dumps(next_cursor),
    )


@lru_cache(256)  # first pages are asked for in the same few ways
def _parsed(query: bytes) -> Mapping[str, str]:
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))


def _asked(request: Request) -> tuple[str, int, str | None]:
    """Who wants how many slots from where. Raises a problem that names every wrong parameter."""
    viewer_id: str = request.path_params["user_id"]
    query = _parsed(request.scope["query_string"])
    limit = query.get("limit", str(DEFAULT_LIMIT))
    cursor = query.get("cursor")
    wrong = {}
    if not is_id(viewer_id):
        wrong["path.user_id"] = why_not(viewer_id)
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 3 and 1 <= int(limit) <= MAX_LIMIT):
        wrong["query.limit"] = f"must be a whole number from 1 to {MAX_LIMIT}"
    if cursor is not None and len(cursor) > MAX_CURSOR:
        wrong["query.cursor"] = f"must have at most {MAX_CURSOR} characters"
    if wrong:
        raise invalid_request(wrong)
    return viewer_id, int(limit), cursor


def unknown_video(video_id: str) -> Problem:
    """No published video has this id."""
    return Problem(HTTPStatus.NOT_FOUND, "unknown-video", f"no published video has the id {video_id}")


def router(reader: FeedReader, signer: CursorSigner, without_redis: Counter) -> APIRouter:
    """The routes that clients read. `without_redis` counts pages that were made while Redis did not answer."""
    routes = APIRouter(prefix=PREFIX)

    def _body(page: Page, viewer_id: str) -> bytes:
        return render(page, viewer_id, page.following and signer.seal(page.following, viewer_id))

    @routes.get(
        FEED,
        tags=["feeds"],
        response_model=None,
        responses={
            HTTPStatus.OK: {"model": FeedPage, "headers": HEADERS},
            **NOT_MODIFIED,
            **documented(
                HTTPStatus.BAD_REQUEST,
                HTTPStatus.GONE,
                HTTPStatus.UNPROCESSABLE_ENTITY,
                HTTPStatus.SERVICE_UNAVAILABLE,
            ),
        },
        openapi_extra={"parameters": _FEED_PARAMETERS},
    )
    async def feed(request: Request) -> Response:
        """One page of a viewer's feed, best first, without what events said lately that they were shown.

        Pages that follow each other through `next_cursor` never repeat and never skip, whatever is shown and even when
        a new version is published in between: a cursor stays with the version it came from, for two days after that
        was replaced. Then it is 410: begin again without a cursor, and what was shown is left out.

        Who was shown all of their feed gets what is new to them of the list for strangers, then their feed once more.

        While the store does not answer, pages are of the last known list for strangers: `X-Feed-Source: fallback`. Go
        on with `next_cursor` as ever: it leads back to where you were when the store is back.
        """
        viewer_id, limit, cursor = _asked(request)
        at = None if cursor is None else signer.open(cursor, viewer_id)
        try:
            page = await (reader.first_page(viewer_id, limit) if at is None else reader.next_page(at, viewer_id, limit))
        except (RedisError, NoFeedPublished):  # the latter where Redis came back without its data
            last_good = reader.page_without_redis(at, viewer_id, limit)
            if last_good is None:
                raise
            without_redis.inc()
            return Response(_body(last_good, viewer_id), headers=WITHOUT_REDIS, media_type=JSON)
        return answer(request, _body(page, viewer_id), _FEED_CACHE)

    @routes.get(
        f"{FEED}/why/{{video_id}}",
        tags=["feeds"],
        response_model=Explanation,
        responses=documented(
            HTTPStatus.NOT_FOUND,
            HTTPStatus.GONE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    )
    async def explain(
        user_id: Id,
        video_id: Id,
        response: Response,
        feed_version: Annotated[
            Id | None, Query(description="That of the page that had it; else the current one.")
        ] = None,
    ) -> Explanation:
        """Why a video is in a viewer's feed: the source, the reason in words, and by whose numbers it got its place.

        404: it is not in that feed, or not any more. 410: the version is no longer held.
        """
        found = await why(reader.wire, user_id, video_id, feed_version)
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "not-in-the-feed", f"the feed of {user_id} does not have {video_id}")
        response.headers["Cache-Control"] = "private, no-cache"
        return found

    @routes.get(
        "/videos",
        tags=["videos"],
        response_model=None,
        responses={
            HTTPStatus.OK: {"model": Cards},
            **NOT_MODIFIED,
            **documented(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
        },
    )
    async def videos(
        request: Request,
        ids: Annotated[list[Id], Query(min_length=1, max_length=MAX_IDS, description="Once for each video.")],
    ) -> Response:
        """Several videos in the order of their ids; without those that are not published."""
        return answer(request, b'{"items":[%b]}' % b",".join(await reader.videos(ids)), VIDEO_CACHE)

    @routes.get(
        "/videos/{video_id}",
        tags=["videos"],
        response_model=None,
        responses={
            HTTPStatus.OK: {"model": Video},
            **NOT_MODIFIED,
            **documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
        },
    )
    async def video(video_id: Id, request: Request) -> Response:
        """One published video."""
        found = await reader.video(video_id)
        if found is None:
            raise unknown_video(video_id)
        return answer(request, found, VIDEO_CACHE)

    return routes
