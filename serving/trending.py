"""What rises now, over HTTP: a list for each kind, the same for everybody.

Belongs here: the paging protocol and the envelope around stored bytes. Where the lists lie: feed_store/trending.py.
What is listed, and why: the platform's jobs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Query
from prometheus_client import Counter
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from serving.answers import HEADERS, JSON, NOT_MODIFIED, WITHOUT_REDIS, answer
from serving.cursor import Cursor, CursorSigner
from serving.feed_store.shapes import TrendingItem, TrendingKind
from serving.feed_store.trending import STALE_AFTER, Items, TrendingReader
from serving.feeds import DEFAULT_LIMIT, MAX_CURSOR, MAX_LIMIT
from serving.problems import documented

# The same for everybody, and new once an hour: a shared cache may answer for a minute.
_CACHE = b"public, max-age=60"


class TrendingPage(BaseModel):
    """Some consecutive items of one list. Says the shape to readers of /docs; the service sends stored bytes."""

    kind: TrendingKind
    as_of: datetime = Field(description="The end of the hour as of which it is so.")
    is_stale: bool = Field(description="True when a newer hour should have replaced this list and has not.")
    items: list[TrendingItem]
    next_cursor: str | None = Field(description="Pass it as `cursor` for what follows; null at the end.")


def render(kind: TrendingKind, page: Items, next_cursor: str | None) -> bytes:
    """The JSON of a page, spliced from stored bytes."""
    is_stale = datetime.now(UTC) - datetime.fromisoformat(page.as_of) > STALE_AFTER
    items = (item if card is None else b'%b,"video":%b}' % (item[:-1], card) for item, card in page.items)
    return b'{"kind":%b,"as_of":%b,"is_stale":%b,"items":[%b],"next_cursor":%b}' % (
        orjson.dumps(kind),
        orjson.dumps(page.as_of),
        orjson.dumps(is_stale),
        b",".join(items),
        orjson.dumps(next_cursor),
    )


def router(reader: TrendingReader, signer: CursorSigner, without_redis: Counter) -> APIRouter:
    """The route. `without_redis` counts pages that were made while Redis did not answer."""
    routes = APIRouter(prefix="/v1", tags=["trending"])

    @routes.get(
        "/trending/{kind}",
        response_model=None,
        responses={
            HTTPStatus.OK: {"model": TrendingPage, "headers": HEADERS},
            **NOT_MODIFIED,
            **documented(
                HTTPStatus.BAD_REQUEST,
                HTTPStatus.GONE,
                HTTPStatus.UNPROCESSABLE_ENTITY,
                HTTPStatus.SERVICE_UNAVAILABLE,
            ),
        },
    )
    async def trending(
        request: Request,
        kind: Annotated[TrendingKind, Path(description="What to list.")],
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items per page.")] = DEFAULT_LIMIT,
        cursor: Annotated[
            str | None,
            Query(max_length=MAX_CURSOR, description="`next_cursor` of the page before; without it the list begins."),
        ] = None,
    ) -> Response:
        """One page of what rises now: what far more people watch than its own past lets expect, most first.

        Pages that follow each other through `next_cursor` are of one list, also when an hour is published in between.
        A video that was withdrawn since has left its place, so that a page may be shorter than `limit`. While the store
        does not answer, pages are of the last known list: `X-Feed-Source: fallback`.
        """
        # An id of a viewer holds no "/", so that no cursor of a feed passes for one of a list.
        whose = f"trending/{kind}"
        at = None if cursor is None else signer.open(cursor, whose)
        try:
            if at is None:
                page = await reader.first_page(kind, limit)
            else:
                page = await reader.next_page(kind, at.generation, at.version, at.position, limit)
        except RedisError:
            generation, start = (at.generation, at.position) if at else (None, 0)
            kept = reader.page_without_redis(kind, generation, start, limit)
            if kept is None:
                raise
            without_redis.inc()
            return Response(_body(kind, kept, whose), headers=WITHOUT_REDIS, media_type=JSON)
        return answer(request, _body(kind, page, whose), _CACHE)

    def _body(kind: TrendingKind, page: Items, whose: str) -> bytes:
        following = None
        if page.next_start is not None:
            following = signer.seal(Cursor(page.generation, page.as_of, False, page.next_start), whose)
        return render(kind, page, following)

    return routes
