"""What is noted of each request: an id by which a client, the log and a trace speak of it, and how long it took.

Belongs here: the middleware around all others. What a line of the log looks like: logs.py. What Prometheus sees of
it: metrics.py. Spans: traces.py.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable
from http import HTTPStatus
from random import getrandbits

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.logs import FIELDS, request_id

HEADER = "X-Request-ID"
_NAME = HEADER.lower().encode()
# What a client or a proxy may call it: whatever is visible, so that no id breaks a line of a log.
_TAKEN_OVER = re.compile(rb"[!-~]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_log = logging.getLogger(__name__)


class NotedRequests:
    """ASGI middleware that names each request, and times it under its route's template: ids would be unbounded."""

    def __init__(self, app: ASGIApp, requests: Histogram) -> None:
        self._app = app
        self._requests = requests
        # A request's labels are looked up here: in the library that takes as long as all of a page's rendering.
        self._by_labels: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        name = _name_of(scope["headers"])
        # Each request is a task with a context of its own, so that nobody has to take it back.
        request_id.set(name.decode())
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((_NAME, name))
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "none")
            labels = method, route, status
            if (observed := self._by_labels.get(labels)) is None:
                observed = self._by_labels[labels] = self._requests.labels(*labels)
            seconds = time.perf_counter() - started
            observed.observe(seconds)
            if _log.isEnabledFor(logging.INFO):
                noted = {"method": method, "route": route, "status": status, "seconds": round(seconds, 6)}
                _log.info("%s %s: %d", *labels, extra={FIELDS: noted})


def _name_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    for name, value in headers:
        if name == _NAME and _TAKEN_OVER.fullmatch(value):
            return value
    return b"%032x" % getrandbits(128)
