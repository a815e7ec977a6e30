"""Every error that leaves this service, as RFC 9457 problem details.

Belongs here: the shape of an error and the mapping from exceptions to it. Deciding that something is wrong: the module
that finds out.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from serving.cursor import CursorInvalid
from serving.feed_store.layout import FeedExpired, NoFeedPublished
from serving.feed_store.trending import NoListPublished
from serving.incoming import TooManyUploads, UploadBusy, UploadLanded, UploadOver, UploadUnknown
from serving.logs import request_id
from serving.producer import BrokerAway
from serving.requests import HEADER
from serving.spool import SpoolError

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """Raise to answer with a problem. `kind` names the condition for programs, `detail` tells a person what to do."""

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **extensions: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers
        self.extensions = extensions


def problem_response(request: Request, problem: Problem) -> Response:
    """The problem as a response. Its `type` is a URN, since it names a condition and not a page."""
    body = {
        "type": f"urn:reelmill:problem:{problem.kind}" if problem.kind else "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
        "instance": request.url.path,
        "request_id": request_id.get(),
        **problem.extensions,
    }
    return Response(orjson.dumps(body, default=str), problem.status, problem.headers, MEDIA_TYPE)


def invalid_request(wrong: Mapping[str, str]) -> Problem:
    """A 422 that names each wrong parameter, such as `query.limit`, with its reason."""
    errors = [{"where": where, "reason": reason} for where, reason in wrong.items()]
    detail = "; ".join(f"{where}: {reason}" for where, reason in wrong.items())
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail, errors=errors)


def _from_http(exc: HTTPException) -> Problem:
    status = HTTPStatus(exc.status_code)
    detail = status.description if exc.detail == status.phrase else exc.detail
    return Problem(status, "", detail or status.phrase, headers=exc.headers)


def problem_of(exc: Exception) -> Problem:
    """What an error is to who asked."""
    match exc:
        case Problem():
            return exc
        case RequestValidationError():
            return invalid_request({".".join(map(str, error["loc"])): error["msg"] for error in exc.errors()})
        case HTTPException():
            return _from_http(exc)
        case CursorInvalid():
            return Problem(HTTPStatus.BAD_REQUEST, "cursor-invalid", f"{exc}; start again without a cursor")
        case FeedExpired():
            return Problem(HTTPStatus.GONE, "cursor-expired", f"{exc}; start again without a cursor")
        case NoFeedPublished():
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-feed-published", str(exc), headers={"Retry-After": "60"})
        case NoListPublished():
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-list-published", str(exc), headers={"Retry-After": "60"})
        case RedisError():
            return Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "store-unreachable",
                "the feed store does not answer; try again",
                headers={"Retry-After": "1"},
            )
        case BrokerAway():
            return Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "broker-unreachable",
                "the events may not have been kept; send them again under the same ids",
                headers={"Retry-After": "5"},
            )
        case SpoolError():
            detail = "the events could not be kept; send them again later"
            return Problem(HTTPStatus.INSUFFICIENT_STORAGE, "spool-full", detail, headers={"Retry-After": "30"})
        case UploadUnknown():
            return Problem(HTTPStatus.NOT_FOUND, "unknown-upload", "there is no such upload, or it was long ago")
        case UploadOver():
            return Problem(HTTPStatus.GONE, "upload-over", "the upload was ended, or came no further; begin another")
        case UploadLanded():
            return Problem(HTTPStatus.CONFLICT, "upload-landed", "all of the upload is here, and is being published")
        case UploadBusy():
            detail = "another request writes to the upload; ask again how far it has come"
            return Problem(HTTPStatus.LOCKED, "upload-busy", detail, headers={"Retry-After": "1"})
        case TooManyUploads():
            headers = {"Retry-After": str(exc.again_s)}
            return Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-uploads", str(exc), headers=headers)
        case _:
            # The cause goes to the log, not to a stranger. The framework answers outside of all that adds headers.
            detail = "an error of this service, which its log explains"
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "", detail, headers={HEADER: request_id.get()})


EXPECTED: tuple[type[Exception], ...] = (
    Problem, RequestValidationError, HTTPException, CursorInvalid, FeedExpired, NoFeedPublished, NoListPublished,
    RedisError, BrokerAway, SpoolError, UploadUnknown, UploadOver, UploadLanded, UploadBusy, TooManyUploads,
)  # fmt: skip


def _allowed(app: FastAPI, request: Request) -> dict[str, str]:
    """What may be asked of a path, by all of its routes: the framework knows the first one. Of a folder, it knows."""
    routes = [one for one in app.routes if isinstance(one, Route) and one.matches(request.scope)[0] is not Match.NONE]
    methods = sorted({method for route in routes for method in route.methods or ()})
    return {"Allow": ", ".join(methods)} if methods else {}


def install(app: FastAPI) -> None:
    """Answer every error of `app` as a problem, those of the framework included."""

    async def handle(request: Request, exc: Exception) -> Response:
        if isinstance(exc, HTTPException) and exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            exc.headers = {**(exc.headers or {}), **_allowed(app, request)}
        return problem_response(request, problem_of(exc))

    for kind in (*EXPECTED, Exception):
        app.add_exception_handler(kind, handle)


# The component of the OpenAPI document.
PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "What is wrong (RFC 9457), and what some conditions say beside it.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "The condition, for programs."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do, for people."},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "request_id": {"type": "string", "description": "By which the log speaks of the request."},
        "errors": {
            "type": "array",
            "description": "Of `invalid-request`: what is wrong, and why.",
            "items": {"type": "object", "properties": {"where": {"type": "string"}, "reason": {"type": "string"}}},
        },
    },
    "examples": [
        {
            "type": "urn:reelmill:problem:unknown-video",
            "title": "Not Found",
            "status": 404,
            "detail": "no published video has the id v1",
            "instance": "/v1/videos/v1",
            "request_id": "5b8f0c2e9d3a4716a1b2c3d4e5f60718",
        }
    ],
}
# Whoever gets one of these may ask again.
_FOR_NOW = (
    HTTPStatus.LOCKED,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.INSUFFICIENT_STORAGE,
)


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries that say: these statuses answer with a problem, and which of them say when to ask again."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    entries: dict[int | str, dict[str, Any]] = {
        status.value: {"description": status.phrase, "content": content} for status in statuses
    }
    for status in {*statuses} & {*_FOR_NOW}:
        entries[status.value]["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return entries
