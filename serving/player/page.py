"""Serves the web player: the page at `/`, its scripts and styles below `/player`.

Belongs here: their headers. What the page does: app/main.js.
"""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

APP = Path(__file__).parent / "app"
# Nothing comes from anywhere else and nothing goes there; a title or a name that holds markup runs nothing. `blob:` is
# where hls.js puts what it has fetched, for the video element to play.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Asked again each time, and answered by 304: the files of a release belong together.
    "Cache-Control": "no-cache",
}


class _Files(StaticFiles):
    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_HEADERS)
        return response


def install(app: FastAPI) -> None:
    """Add the page and its files to the service."""
    files = _Files(directory=APP)

    async def page(request: Request) -> Response:
        return await files.get_response("index.html", request.scope)

    app.add_route("/", page, methods=["GET"], include_in_schema=False)
    # hls.js alone is 374 KB, and 120 so: a second and more before the first clip on a slow phone.
    app.mount("/player", GZipMiddleware(files), name="player")
