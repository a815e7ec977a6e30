"""The OpenAPI document: what holds of many routes, said once.

Belongs here: tags, the components that answers share, examples, and what is no route of the framework's. What is a
route's own: beside it, of uploads in uploads_described.py. Keys: api_keys.py.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from serving.events import Event
from serving.feed_store.shapes import MEDIA
from serving.problems import PROBLEM, documented
from serving.requests import HEADER

TITLE = "Reelmill"
DESCRIPTION = """Precomputed feeds for short video: read a feed, play it, send back what was watched.

Errors are problems (RFC 9457): `type` names the condition for programs, `detail` says what to do. Where one comes with
`Retry-After`, ask again after as many seconds. What can be read by GET can be asked about by HEAD. Send `X-Request-ID`
to name a request; each answer has one."""
TAGS = [
    {"name": "feeds", "description": "What a viewer is shown, page by page."},
    {"name": "videos", "description": "Published videos, and what is like them."},
    {"name": "trending", "description": "What rises now."},
    {"name": "events", "description": "What was watched and what came of it, from clients."},
    {"name": "uploads", "description": "Clips, by tus 1.0."},
    {"name": "media", "description": "What plays."},
    {"name": "operations", "description": "For who runs the service."},
]
_VIDEO = {
    "video_id": "9b1cd2f08a7e4c35b6d1f0e2a3948576", "user_id": "ann", "title": "A cat on a slide",
    "hashtags": ["cats"], "duration": 12.3, "published_at": "2026-01-05T08:30:00Z", "views": 941, "likes": 88,
    "playback_url": "/media/5d41/master.m3u8", "poster_url": "/media/5d41/poster.jpg",
    "preload": {
        "playlist_url": "/media/5d41/360p/index.m3u8",
        "bytes": {"1": 50_000, "2": 90_000, "3": 140_000, "5": 230_000}, "watch_seconds": 8.1,
    },
}  # fmt: skip
_SLOT = _VIDEO | {"position": 0, "reason": "because you watched “A dog on a slide”", "propensity": None}
_ITEM = {"rank": 1, "id": _VIDEO["video_id"], "score": 9.5, "people": 40, "reason": "40 people, 4 were expected"}
_EVENT = {
    "event_id": "0d5c1f3e", "user_id": "ben", "video_id": _VIDEO["video_id"], "event_type": "view",
    "event_at": "2026-01-05T18:00:00Z", "position": 0, "feed_version": "20260104.lightgbm-1", "watch_ms": 9_800,
}  # fmt: skip
# By the names of components.
EXAMPLES: dict[str, dict[str, object]] = {
    "Video": _VIDEO,
    "Slot": _SLOT,
    "Cards": {"items": [_VIDEO]},
    "FeedPage": {
        "user_id": "ben", "feed_version": "20260104.lightgbm-1", "is_fallback": False, "is_stale": False,
        "items": [_SLOT], "next_cursor": "WyJhMWIyIl0=.c2lnbmF0dXJl",
    },
    "Explanation": {
        "user_id": "ben", "video_id": _VIDEO["video_id"], "feed_version": "20260104.lightgbm-1", "is_fallback": False,
        "position": 0, "reason": _SLOT["reason"], "propensity": None, "source": "item_item",
        "policy_version": "5d41402a", "feed_arm": None,
    },
    "TrendingItem": _ITEM,
    "TrendingPage": {
        "kind": "videos", "as_of": "2026-01-05T09:00:00Z", "is_stale": False, "items": [_ITEM | {"video": _VIDEO}],
        "next_cursor": None,
    },
    "Event": _EVENT,
    "Receipt": {
        "accepted": [{"index": 0, "event_id": "0d5c1f3e"}],
        "rejected": [{"index": 1, "reason": "user_id: Field required"}],
    },
    "UploadStatus": {
        "upload_id": "65f1c20a" * 6, "status": "refused", "received": 1_048_576, "bytes": 1_048_576, "expires_at": None,
        "video_id": _VIDEO["video_id"], "playback_url": None, "reason": "too_long",
        "detail": "it is 612 s long, and a clip may have 600 s",
    },
    "Readiness": {
        "status": "ready", "feed_version": "20260104.lightgbm-1", "is_stale": False,
        "dependencies": {"feeds": "ok", "events": "ok", "media": "ok"},
    },
}  # fmt: skip
_HEADERS = {
    HEADER: {"schema": {"type": "string"}, "description": "By which the log speaks of this request."},
    "Retry-After": {"schema": {"type": "integer", "minimum": 0}, "description": "Seconds to wait."},
}
_BYTES = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
# A folder that is mounted, of which the framework says nothing.
_MEDIA: dict[str, Any] = {
    "get": {
        "tags": ["media"],
        "summary": "Media",
        "operationId": "media",
        "description": "A playlist, a segment or a poster, or the part of it that `Range` asks for. The addresses are "
        "those of cards, and what is behind one never changes; of what was withdrawn, no playlist is answered.",
        "parameters": [
            {
                "name": "path",
                "in": "path",
                "required": True,
                "description": "With slashes in it, as it is.",
                "schema": {"type": "string"},
            },
            {"name": "Range", "in": "header", "required": False, "schema": {"type": "string"}},
        ],
        "responses": {
            "200": {"description": "All of it.", "content": _BYTES},
            "206": {"description": "The part that was asked for.", "content": _BYTES},
            "304": {"description": "What `If-None-Match` names is still so."},
            **{
                str(status): answer
                for status, answer in documented(
                    HTTPStatus.BAD_REQUEST,
                    HTTPStatus.NOT_FOUND,
                    HTTPStatus.METHOD_NOT_ALLOWED,
                    HTTPStatus.GONE,
                    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                ).items()
            },
        },
    }
}


def describe(app: FastAPI) -> None:
    """Complete the document of `app`, when somebody asks for it."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(described())
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _complete(schema: dict[str, Any]) -> None:
    components = schema["components"]
    components["headers"] = _HEADERS
    event = Event.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"] |= {"Problem": PROBLEM, "Event": event, **event.pop("$defs", {})}
    for name, example in EXAMPLES.items():
        components["schemas"][name]["examples"] = [example]
    schema["paths"][f"{MEDIA}/{{path}}"] = _MEDIA
    for operations in schema["paths"].values():
        for operation in operations.values():
            for answer in operation["responses"].values():
                answer["headers"] = {HEADER: {"$ref": f"#/components/headers/{HEADER}"}} | answer.get("headers", {})
