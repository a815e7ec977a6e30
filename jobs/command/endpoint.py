"""Runs the HTTP endpoint over one home.

Belongs here: giving serving/ the addresses that it may not know by itself, and starting and stopping the server.
"""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import redis
import uvicorn

from jobs.command.console import say
from jobs.errors import ReelmillError
from jobs.host import bucket
from jobs.host.address import noted
from jobs.host.redis_server import redis_url
from jobs.host.secret import secret
from jobs.settings import Settings, is_loopback, is_s3, uri_of
from serving.app import create_app
from serving.feed_store import api_keys
from serving.logs import write_to_stderr

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

# How long requests in flight may take when the server is told to stop: less than the ten seconds after which a
# container is killed, or what it acknowledged last would wait in an open spool file for somebody to recover it.
GRACE_S = 8
# By which OpenTelemetry is told where traces are collected.
_COLLECTORS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class PortTaken(ReelmillError):
    """Another process listens on the port."""


class NoKeys(ReelmillError):
    """API keys are demanded, and there is none."""


class NoTraces(ReelmillError):
    """Traces are to be collected, and what makes them is not installed."""


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve until interrupted. Raises PortTaken, NoKeys and NoTraces."""
    write_to_stderr(as_json=settings.logs == "json")
    demand_keys = not (is_loopback(host) if settings.open_to_all is None else settings.open_to_all)
    with redis_url(settings) as url, _listening(host, port) as listener, noted(settings, _address(listener)):
        if demand_keys:
            _check_keys(url, host)
        server = _server(settings, url, "warning", demand_keys=demand_keys)
        # What is there by now stays, and a page leaves nothing behind that needs looking for: as often as Python looks
        # by itself, that took an eighth of a page's time, and held up one in a hundred.
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        # From before anybody hears of it: raised as an exception while the server starts, a SIGTERM got lost in it.
        with server.capture_signals():
            say(f"Reelmill serves {settings.home} at {_address(listener)} (open it to watch, or /docs; Ctrl-C stops)")
            server.run(sockets=[listener])


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The endpoint on a free loopback port for as long as the context is open; yields its base URL."""
    with redis_url(settings) as url, _listening("127.0.0.1", 0) as listener, noted(settings, _address(listener)):
        server = _server(settings, url, "error", demand_keys=settings.open_to_all is False)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield _address(listener)
        finally:
            server.should_exit = True
            thread.join()


def _check_keys(url: str, host: str) -> None:
    """Raises NoKeys. A Redis that is away names them later, and nobody is let in before."""
    with suppress(redis.RedisError), redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
        if not api_keys.listed(client):
            raise NoKeys(
                f"Whoever reaches {host} would see everybody's feed and could write events, and there is no API key "
                "yet. Make one by `reelmill keys create NAME`, listen on 127.0.0.1, or set REELMILL_OPEN_TO_ALL=true "
                "where something in front of the endpoint decides who may call it."
            )


def _traces() -> TracerProvider | None:
    """What sends spans away, where somebody collects them. Raises NoTraces."""
    named = next(filter(os.environ.get, _COLLECTORS), None)
    if named is None:
        return None
    try:
        from serving.traces import exporting
    except ModuleNotFoundError as error:
        raise NoTraces(
            f"{named} says where traces are collected, and {error.name} is not installed. Install the extra `traces`, "
            f"or unset {named}."
        ) from error
    return exporting()


def _server(settings: Settings, url: str, log_level: str, *, demand_keys: bool) -> uvicorn.Server:
    media = bucket.store(uri_of(settings.media)) if is_s3(settings.media) else settings.media
    events = settings.topic or settings.spool
    app = create_app(
        redis_url=url,
        media=media,
        events=events,
        landing=settings.landing,
        secret=secret(settings),
        limits=settings.upload_limits,
        demand_keys=demand_keys,
        origins=settings.allowed_origins,
        traces=_traces(),
    )
    # Nothing here asks who a client is, or what a proxy says of it.
    config = uvicorn.Config(
        app,
        log_config=None,  # or its lines would not say of which request they are
        log_level=log_level,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    return uvicorn.Server(config)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    # Bound here and not by uvicorn, which exits the process when a port is taken.
    try:
        listener = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise PortTaken(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.") from error
    with listener:
        yield listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
