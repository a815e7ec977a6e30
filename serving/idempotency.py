"""Requests that may be sent twice and are done once: the header Idempotency-Key, by the draft of the IETF.

Belongs here: what is the same request, and what is answered to it
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/). Where answers are kept:
feed_store/asked.py.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import orjson
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from serving.feed_store import asked
from serving.feed_store.wire import Wire
from serving.problems import Problem

HEADER = "Idempotency-Key"
# A receipt of 1,000 events that are told by ids of 36 characters is half as long.
MOST_BYTES = 128 << 10
_KEY = re.compile(r"[!-~]{1,255}")
PARAMETER: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Yours to choose, another for each request, such as a UUID. Sent again within a day with the same "
    "content, the request is done once and answered alike; with other content it is 422, and 409 while the first one "
    "is worked on or where its answer was too long to keep. While the store does not answer, it is not heeded.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


async def once(wire: Wire, request: Request, content: bytes, answer: Callable[[], Awaitable[Response]]) -> Response:
    """What `answer` gives, or gave to the same request before: one with this key, of this client, and this content.

    What it raises is not kept: nothing was done, and the next one may do it. Raises a problem for another request.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return await answer()
    if not _KEY.fullmatch(key):
        detail = f"{HEADER} must have 1 to 255 visible characters of ASCII"
        raise Problem(HTTPStatus.BAD_REQUEST, "idempotency-key-invalid", detail)
    # Whose it is too: by the key of another client nobody learns what they were answered.
    whose = request.headers.get("authorization", "")
    name = sha256("\0".join((request.url.path, whose, key)).encode()).hexdigest()
    fingerprint = sha256(content).digest()
    try:
        before = await asked.begin(wire, name, fingerprint)
    except RedisError:
        return await answer()
    if before is not None:
        return _again(*before)
    try:
        response = await answer()
    except Exception:
        with suppress(RedisError):
            await asked.let_go(wire, name)
        raise
    with suppress(RedisError):
        await asked.keep(wire, name, fingerprint, _packed(response))
    return response


def _packed(response: Response) -> bytes:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
    body = bytes(response.body).decode()
    packed = orjson.dumps([response.status_code, headers, body])
    return packed if len(packed) <= MOST_BYTES else b"[]"


def _again(is_same: bool, packed: bytes) -> Response:
    if not is_same:
        detail = f"another request had this {HEADER}; send each request under one of its own"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail)
    if not packed:
        detail = f"the request with this {HEADER} is being worked on; ask again in a moment"
        raise Problem(HTTPStatus.CONFLICT, "idempotency-key-in-use", detail)
    kept = orjson.loads(packed)
    if not kept:
        detail = f"the request with this {HEADER} was done, and its answer was too long to keep"
        raise Problem(HTTPStatus.CONFLICT, "answer-not-kept", detail)
    status, headers, body = kept
    response = Response(body, status)
    response.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return response
