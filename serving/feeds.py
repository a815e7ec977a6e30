"""Feeds and videos over HTTP: what a client app reads.

Belongs here: the paging protocol and the envelope around stored bytes. What the bytes say, and where they are:
feed_store/. What clients send back: events.py.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from serving.cursor import Cursor, CursorSigner
from serving.feed_store.layout import is_stale
from serving.feed_store.reader import FeedReader, Page
from serving.feed_store.shapes import Slot, Video
from serving.ids import MAX_ID, PATTERN, Id, is_id, why_not
from serving.problems import Problem, documented, invalid_request

JSON = "application/json"
# A feed is one person's and changes with the next publish: no shared cache may keep it.
_FEED_HEADERS = {"Cache-Control": "private, no-store"}
_VIDEO_HEADERS = {"Cache-Control": "public, max-age=60"}

MAX_CURSOR = 1024
DEFAULT_LIMIT = 10
MAX_LIMIT = 50

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


def render(page: Page, viewer_id: str, next_cursor: str | None) -> bytes:
    """The JSON of a page, spliced from stored bytes: no slot is decoded or encoded again."""
    return b'{"user_id":%b,"feed_version":%b,"is_fallback":%b,"is_stale":%b,"items":[%b],"next_cursor":%b}' % (
        orjson.dumps(viewer_id),
        orjson.dumps(page.version),
        orjson.dumps(page.is_fallback),
        orjson.dumps(is_stale(page.version, datetime.now(UTC))),
        b",".join(page.slots),
        orjson.dumps(next_cursor),
    )


def _asked(request: Request) -> tuple[str, int, str | None]:
    """Who wants how many slots from where. Raises a problem that names every wrong parameter."""
    viewer_id: str = request.path_params["user_id"]
    limit = request.query_params.get("limit", str(DEFAULT_LIMIT))
    cursor = request.query_params.get("cursor")
    wrong = {}
    if not is_id(viewer_id):
        wrong["path.user_id"] = why_not(viewer_id)
    if not (limit.isascii() and limit.isdigit() and len(limit) < 3 and 1 <= int(limit) <= MAX_LIMIT):
        wrong["query.limit"] = f"must be a whole number from 1 to {MAX_LIMIT}"
    if cursor is not None and len(cursor) > MAX_CURSOR:
        wrong["query.cursor"] = f"must have at most {MAX_CURSOR} characters"
    if wrong:
        raise invalid_request(wrong)
    return viewer_id, int(limit), cursor


def router(reader: FeedReader, signer: CursorSigner) -> APIRouter:
    """The routes that clients read."""
    routes = APIRouter(prefix="/v1")

    @routes.get(
        "/feed/{user_id}",
        response_model=None,
        responses={
            HTTPStatus.OK: {"model": FeedPage},
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
        """One page of a viewer's feed, best first.

        Pages that follow each other through `next_cursor` never repeat and never skip, even when a new version is
        published in between: a cursor stays with the version it came from, for two days after that was replaced.
        """
        viewer_id, limit, cursor = _asked(request)
        if cursor is None:
            page = await reader.first_page(viewer_id, limit)
        else:
            at = signer.open(cursor, viewer_id)
            page = await reader.next_page(
                at.generation, at.version, viewer_id, is_fallback=at.is_fallback, start=at.position, limit=limit
            )
        following = None
        if page.next_start is not None:
            following = signer.seal(Cursor(page.generation, page.version, page.is_fallback, page.next_start), viewer_id)
        return Response(render(page, viewer_id, following), headers=_FEED_HEADERS, media_type=JSON)

    @routes.get(
        "/videos/{video_id}",
        response_model=None,
        responses={
            HTTPStatus.OK: {"model": Video},
            **documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
        },
    )
    async def video(video_id: Id) -> Response:
        """One published video."""
        found = await reader.video(video_id)
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "unknown-video", f"no published video has the id {video_id}")
        return Response(found, headers=_VIDEO_HEADERS, media_type=JSON)

    return routes
