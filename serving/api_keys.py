"""Lets in whoever shows an API key that is good for what they ask, as often as it is.

Belongs here: the check, what is counted, and how OpenAPI tells of it. Where keys lie: feed_store/api_keys.py. When they
are demanded: jobs/command/endpoint.py.

No request waits for Redis here: keys are held in memory and looked for once a second, and what was counted is added to
the count of all endpoints as often. So a key may be used a second longer than it is good, and exceed its limit by
what comes in a second. While Redis is away, keys stay as they were and each endpoint counts for itself.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections import Counter
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Self

from fastapi import FastAPI
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.feed_store import api_keys
from serving.feed_store.api_keys import COUNT, WINDOW_S, ApiKey
from serving.feed_store.wire import Wire
from serving.problems import Problem, documented, problem_response

GUARDED = "/v1/"
# What everything else there is for, is to read.
_SCOPES = {"/v1/uploads": api_keys.Scope.UPLOAD, "/v1/events": api_keys.Scope.EVENTS}
_EVERY_S = 1.0
# Compared with where there is no such key, so that this takes as long as where there is one.
_NOBODYS = api_keys.digest("")
_log = logging.getLogger(__name__)


class Keyring:
    """The keys that are good now, and how often each was used in this minute. An asynchronous context."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        # None until Redis has answered once.
        self._keys: dict[str, ApiKey] | None = None
        self._version: bytes | None = None
        self._minute = 0
        self._used = Counter[str]()
        self._uncounted = Counter[str]()
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        with suppress(RedisError):
            await self._look()
        self._looking = asyncio.create_task(self._keep_looking())
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._looking is not None
        self._looking.cancel()
        with suppress(asyncio.CancelledError):
            await self._looking

    def admit(self, authorization: str, wanted: api_keys.Scope, now: float) -> None:
        """Count a request. Raises a problem for one that no key, or not this one, is good for."""
        key = self._found(authorization)
        if wanted not in key.scopes:
            detail = f"this key is good for {', '.join(key.scopes)}, and {wanted} is asked of it"
            raise Problem(HTTPStatus.FORBIDDEN, "key-not-for-this", detail)
        minute = int(now // WINDOW_S)
        if minute != self._minute:
            self._minute = minute
            self._used.clear()
            self._uncounted.clear()
        if self._used[key.key_id] >= key.per_minute:
            again = {"Retry-After": str(int(WINDOW_S - now % WINDOW_S) + 1)}
            detail = f"this key is good for {key.per_minute} requests a minute"
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", detail, headers=again)
        self._used[key.key_id] += 1
        self._uncounted[key.key_id] += 1

    def _found(self, authorization: str) -> ApiKey:
        if self._keys is None:
            detail = "the keys are not known yet; try again"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "keys-unknown", detail, headers={"Retry-After": "1"})
        kind, _, shown = authorization.partition(" ")
        mark, key_id, secret = [*shown.strip().split("_", 2), "", "", ""][:3]
        key = self._keys.get(key_id)
        is_it = hmac.compare_digest(api_keys.digest(secret), key.digest if key else _NOBODYS)
        if kind.lower() != "bearer" or mark != "rm" or key is None or not is_it:
            detail = "send an API key that is good, as Authorization: Bearer rm_..."
            raise Problem(HTTPStatus.UNAUTHORIZED, "no-key", detail, headers={"WWW-Authenticate": "Bearer"})
        return key

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self._look()
            except RedisError:
                continue  # the wire says in the log that Redis is away
            except Exception:  # whatever it is, nobody else would look again
                _log.exception("cannot read the API keys; trying again")

    async def _look(self) -> None:
        version = await self._wire.ask("GET", api_keys.VERSION)
        if self._keys is None or version != self._version:
            flat = await self._wire.ask("HGETALL", api_keys.KEYS)
            self._keys = api_keys.parsed(dict(zip(flat[::2], flat[1::2], strict=True)))
            self._version = version
        minute, counts = self._minute, self._uncounted
        self._uncounted = Counter()
        for key_id, count in counts.items():
            used = await self._wire.run(COUNT, (api_keys.used_key(key_id, minute),), count)
            if minute == self._minute:
                self._used[key_id] = used + self._uncounted[key_id]


class KeysDemanded:
    """ASGI middleware that lets nobody without a key at the routes below GUARDED. Pages, media and probes are open."""

    def __init__(self, app: ASGIApp, keyring: Keyring) -> None:
        self._app = app
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # What a server is able to do (OPTIONS) is asked before anything is sent.
        if scope["type"] != "http" or not scope["path"].startswith(GUARDED) or scope["method"] == "OPTIONS":
            await self._app(scope, receive, send)
            return

        async def send_to_it_alone(message: Message) -> None:
            # Or a cache in front would hand what it keeps for a key to who has none.
            if message["type"] == "http.response.start":
                message["headers"].append((b"vary", b"Authorization"))
            await send(message)

        shown = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        try:
            self._keyring.admit(shown.decode("latin-1"), _scope_of(scope["path"], scope["method"]), time.time())
        except Problem as problem:
            await problem_response(Request(scope), problem)(scope, receive, send)
            return
        await self._app(scope, receive, send_to_it_alone)


def demand(app: FastAPI, keyring: Keyring) -> None:
    """Demand keys of who calls `app`, and say so in its OpenAPI document."""
    app.add_middleware(KeysDemanded, keyring=keyring)
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = described()
            schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            refusals = documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
            refusals |= documented(HTTPStatus.SERVICE_UNAVAILABLE)
            for path, operations in schema["paths"].items():
                for method, operation in operations.items():
                    if path.startswith(GUARDED) and method != "options":
                        operation["security"] = [{"key": []}]
                        operation["responses"] |= {str(status): answer for status, answer in refusals.items()}
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _scope_of(path: str, method: str) -> api_keys.Scope:
    if method == "DELETE":  # who uploads withdraws
        return api_keys.Scope.UPLOAD
    found = (scope for prefix, scope in _SCOPES.items() if path.startswith(prefix))
    return next(found, api_keys.Scope.READ)
