"""The HTTP service: feeds out, events and uploads in, media beside them. It knows Redis and some folders, and no Spark.

Belongs here: wiring, start and stop, and the probes. Each route is in the module named for what it serves: feeds.py,
related.py, trending.py, events.py, uploads.py, withdrawals.py, media.py, readiness.py, player/; every error's shape is
in problems.py.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from serving import api_keys, documentation, feeds, problems, readiness, related, trending, uploads, withdrawals
from serving import events as event_routes
from serving.answers import Ahead
from serving.api_keys import Keyring
from serving.cursor import CursorSigner
from serving.feed_store.reader import FeedReader
from serving.feed_store.shapes import MEDIA
from serving.feed_store.trending import TrendingReader
from serving.incoming import Incoming
from serving.limits import Limits
from serving.media import MediaFiles, MediaObjects, NotWithdrawn
from serving.metrics import Metrics
from serving.player import page
from serving.producer import EventTopic
from serving.requests import HEADER, NotedRequests
from serving.spool import EventSpool
from serving.spool_upkeep import recover
from serving.topic import Topic

if TYPE_CHECKING:
    from obstore.store import ObjectStore
    from opentelemetry.sdk.trace import TracerProvider

_MAINTAIN_EVERY_S = 1.0
# What a sibling acknowledged before it died waits at most this long, where no ingest runs either.
_RECOVER_EVERY_S = 60.0
# What pages of other origins may read. Keys go by a header, and no cookie is ever asked for.
_EXPOSED = (
    "ETag", "Location", "Retry-After", "Tus-Max-Size", "Tus-Resumable", "Tus-Version", "Upload-Expires",
    "Upload-Length", "Upload-Metadata", "Upload-Offset", "X-Feed-Source", HEADER,
)  # fmt: skip
_log = logging.getLogger(__name__)


def create_app(
    *,
    redis_url: str,
    media: Path | ObjectStore,
    events: Path | Topic,
    landing: Path,
    secret: str,
    limits: Limits = Limits(),  # noqa: B008  # it is frozen
    demand_keys: bool = False,
    origins: Sequence[str] = (),
    traces: TracerProvider | None = None,
) -> FastAPI:
    """The service over the feeds in `redis_url`, the media in a folder or a bucket, and events in a spool or a topic.

    Uploads go to `landing`, within their limits. Pages of `origins` may call it from a browser, and with `demand_keys`
    only who has an API key. `secret` signs cursors; processes that share a load balancer share it. Spans of requests
    go to `traces`. Raises ValueError when the secret is empty.
    """
    signer = CursorSigner(secret)
    reader = FeedReader(redis_url)
    keeper = EventSpool(events) if isinstance(events, Path) else EventTopic(events)
    incoming, keyring = Incoming(landing, limits), Keyring(reader.wire)
    metrics = Metrics(events if isinstance(events, Path) else None)
    files: MediaFiles | MediaObjects
    if isinstance(media, Path):
        media.mkdir(parents=True, exist_ok=True)  # a home without uploads has none yet
        files = MediaFiles(directory=media)
    else:
        files = MediaObjects(media)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with reader, uploads.kept_tidy(incoming), keyring if demand_keys else nullcontext():
            try:
                if isinstance(keeper, EventSpool):
                    async with _moving(keeper):
                        yield
                else:
                    yield
            finally:
                # In a thread, as below: waiting for a disk or a broker must not hold up those who read feeds.
                await asyncio.to_thread(keeper.close)

    # FastAPI's own /docs fetches its script from a CDN, and is an empty page without internet.
    app = FastAPIOffline(
        title=documentation.TITLE,
        version=version("reelmill"),
        description=documentation.DESCRIPTION,
        openapi_tags=documentation.TAGS,
        generate_unique_id_function=lambda route: route.name,
        static_url="/docs-assets",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    problems.install(app)
    documentation.describe(app)
    app.include_router(feeds.router(reader, signer, metrics.without_redis))
    feed = next(r for r in app.routes if isinstance(r, APIRoute) and r.path == f"{feeds.PREFIX}{feeds.FEED}")
    app.add_middleware(Ahead, route=feed)
    if demand_keys:
        api_keys.demand(app, keyring)
    if origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=_EXPOSED
        )
    if traces is not None:
        from serving.traces import TracedRequests  # as long to load as the rest, and off by default

        app.add_middleware(TracedRequests, provider=traces)
    app.add_middleware(NotedRequests, requests=metrics.requests)
    app.include_router(trending.router(TrendingReader(reader.wire), signer, metrics.without_redis))
    app.include_router(related.router(reader))
    app.include_router(event_routes.router(keeper, metrics.events, reader.wire, reader.remember, reader.mute))
    app.include_router(uploads.router(incoming, reader))
    app.include_router(withdrawals.router(reader, keeper, redis_url))
    app.include_router(readiness.router(reader, keeper, files))
    _add_probes(app, metrics)
    _answer_heads(app)
    app.mount(MEDIA, NotWithdrawn(files, reader.wire), name="media")
    page.install(app)
    return app


def _answer_heads(app: FastAPI) -> None:
    """Let HEAD ask about whatever GET reads; the server leaves the body out."""
    reading = [route for route in app.routes if isinstance(route, APIRoute)]
    asked = {route.path for route in reading if "HEAD" in route.methods}
    for route in reading:
        if "GET" in route.methods and route.path not in asked:
            app.add_api_route(route.path, route.endpoint, methods=["HEAD"], include_in_schema=False)


def _add_probes(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/livez", tags=["operations"])
    async def livez() -> dict[str, str]:
        """The process answers. Says nothing of Redis: restarting this process would not mend that."""
        return {"status": "alive"}

    @app.get("/metrics", tags=["operations"], response_class=Response)
    def prometheus() -> Response:
        """Metrics in Prometheus' text format. No coroutine: it counts files."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


@asynccontextmanager
async def _moving(spool: EventSpool) -> AsyncIterator[None]:
    """What an endpoint before this one left open is recovered, and what this one writes becomes visible in time."""
    await asyncio.to_thread(recover, spool.folder)
    upkeep = asyncio.create_task(_keep_spool_moving(spool))
    try:
        yield
    finally:
        upkeep.cancel()
        with suppress(asyncio.CancelledError):
            await upkeep


async def _keep_spool_moving(spool: EventSpool) -> None:
    recovered_at = time.monotonic()
    while True:
        await asyncio.sleep(_MAINTAIN_EVERY_S)
        try:
            await asyncio.to_thread(spool.maintain)
            if time.monotonic() - recovered_at > _RECOVER_EVERY_S:
                recovered_at = time.monotonic()
                await asyncio.to_thread(recover, spool.folder)
        except OSError:  # a full disk must not end the upkeep: it may be emptied
            _log.exception("cannot publish the open spool file; trying again")
