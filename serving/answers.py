"""Answers that are made of stored bytes: with an ETag, as 304 for who has them, and with as little around as can be.

Belongs here: what such answers have in common. Their bodies: feeds.py and trending.py. Errors: problems.py.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast
from zlib import crc32

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.problems import EXPECTED, problem_of, problem_response

JSON = "application/json"
# Nothing is to be kept of what is there for want of something better.
WITHOUT_REDIS = {"Cache-Control": "no-store", "X-Feed-Source": "fallback"}
# For OpenAPI.
HEADERS = {
    "ETag": {"schema": {"type": "string"}, "description": "Send it as `If-None-Match`, and get 304 while it is so."},
    "X-Feed-Source": {
        "schema": {"type": "string", "enum": ["fallback"]},
        "description": "There while the store does not answer: this is from the last list that is known for everybody.",
    },
}
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    HTTPStatus.NOT_MODIFIED.value: {"description": "What `If-None-Match` names is still so."}
}


class Ahead:
    """ASGI middleware that takes the GETs of one route past the framework, which answers all else, and documents it.

    Checks, injections and the search for a route are half of what a feed page costs there. The route ends with an id,
    and its endpoint takes the request alone.
    """

    def __init__(self, app: ASGIApp, route: APIRoute) -> None:
        self._app = app
        self._route = route
        self._prefix, _, name = route.path.partition("{")
        self._name = name.removesuffix("}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith(self._prefix):
            last = scope["path"][len(self._prefix) :]
            if last and "/" not in last:
                scope["path_params"] = {self._name: last}
                scope["route"] = self._route  # as the framework does, for those who count requests
                response = await self._response(Request(scope, receive))
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        try:
            return cast(Response, await self._route.endpoint(request))
        except EXPECTED as error:
            return problem_response(request, problem_of(error))


def answer(request: Request, body: bytes, cache_control: bytes) -> Response:
    """A body of JSON with its ETag; without the body where the client has it already."""
    # 32 bits and the length tell one page of an address from the next; a hash that nobody can forge would take longer
    # than all of the rest.
    etag = b'"%08x-%x"' % (crc32(body), len(body))
    response = Response()
    response.raw_headers = [(b"cache-control", cache_control), (b"etag", etag)]
    for name, value in request.scope["headers"]:
        if name == b"if-none-match" and (etag in value or value == b"*"):
            response.status_code = HTTPStatus.NOT_MODIFIED
            return response
    response.body = body
    response.raw_headers += [(b"content-type", JSON.encode()), (b"content-length", b"%d" % len(body))]
    return response
