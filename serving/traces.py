"""A span for each request, for OpenTelemetry: where a trace passed through this service, and how long that took.

Belongs here: spans, and where they are sent. Loaded only where somebody collects them, by the settings that
OpenTelemetry has for it: https://opentelemetry.io/docs/specs/otel/protocol/exporter/. Names of attributes are those of
its semantic conventions for HTTP, without paths: these name people.
"""

from __future__ import annotations

import os
from http import HTTPStatus

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.logs import request_id, trace_id

_PASSED_ON = (b"traceparent", b"tracestate")


def exporting() -> TracerProvider:
    """What sends spans to where the environment says, from a thread of its own."""
    name = os.environ.get("OTEL_SERVICE_NAME", "reelmill")  # what is given here goes before the environment
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class TracedRequests:
    """ASGI middleware that makes a span of each request, below that of who sent it."""

    def __init__(self, app: ASGIApp, provider: TracerProvider) -> None:
        self._app = app
        self._tracer = provider.get_tracer("reelmill")
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passed_on = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _PASSED_ON}
        with self._tracer.start_as_current_span(
            scope["method"],
            self._propagator.extract(passed_on),
            SpanKind.SERVER,
            {"http.request.method": scope["method"], "http.request.header.x-request-id": [request_id.get()]},
            # What an error says may name somebody; the log has it.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            trace_id.set(f"{span.get_span_context().trace_id:032x}")
            status = HTTPStatus.INTERNAL_SERVER_ERROR.value

            async def send_and_note(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await self._app(scope, receive, send_and_note)
            finally:
                route = getattr(scope.get("route"), "path", None)
                if route is not None:
                    span.update_name(f"{scope['method']} {route}")
                    span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", status)
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    span.set_status(StatusCode.ERROR)
