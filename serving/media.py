"""Published media, from a folder or from a bucket: HLS playlists, segments and posters, as a CDN's origin serves them.

Belongs here: content types, caching and ranges, what plays no more, and whether the store can be read. Making the
files: jobs/media.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from http import HTTPStatus
from pathlib import PurePath
from typing import TYPE_CHECKING

from redis.exceptions import RedisError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Message, Receive, Scope, Send

from serving.feed_store.wire import Wire
from serving.feed_store.withdrawn import MEDIA_FOLDERS

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult
    from obstore.store import ObjectStore

# Named here since a bare machine has no /etc/mime.types, and players refuse a playlist of the wrong type (RFC 8216,
# section 4). m4s is a media segment of the ISO base media file format: video/iso.segment in IANA's registry.
_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".vtt": "text/vtt",
}
# The path holds the hash of the content: what is behind it can never change.
_FOREVER = "public, max-age=31536000, immutable"
# One part of a file: the only kind of range that players and edges ask for. HTTP allows to answer others by the whole.
# A number of more digits fits into no 64 bits, and no file is so large.
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
# A bucket that does not answer is asked again for minutes; who looks whether it can be read does not wait for that.
_LOOK_S = 2.0


class MediaFiles(StaticFiles):
    """Files under content hashes. Hidden files, such as one still being written, do not exist."""

    async def why_unreadable(self) -> str | None:
        """What keeps the folder from being read; None when it can be."""

        def look() -> None:
            with os.scandir(self.directory) as entries:
                next(entries, None)

        try:
            # In a thread: waiting for a disk must not hold up those who read feeds.
            await asyncio.to_thread(look)
        except OSError as error:
            return error.strerror
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_or_raise(message: Message) -> None:
            # Starlette answers a range it cannot satisfy as plain text; here every error is a problem.
            if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
                content_range = Headers(raw=message["headers"]).get("content-range")
                headers = {"Content-Range": content_range} if content_range else None
                raise HTTPException(message["status"], headers=headers)
            await send(message)

        await super().__call__(scope, receive, send_or_raise)

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        if any(part.startswith(".") for part in PurePath(path).parts):
            return "", None
        return super().lookup_path(path)

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = FileResponse(
            full_path,
            status_code,
            headers={"Cache-Control": _FOREVER, "ETag": _tag(stat_result.st_size)},
            media_type=_TYPES.get(PurePath(full_path).suffix, "application/octet-stream"),
            stat_result=stat_result,
        )
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response


class NotWithdrawn:
    """The same without the playlists of what was withdrawn, by which each player begins; while Redis is away, with."""

    def __init__(self, media: MediaFiles | MediaObjects, wire: Wire) -> None:
        self._media = media
        self._wire = wire

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path(scope)
        if path.endswith(".m3u8"):
            with suppress(RedisError):
                if await self._wire.ask("SISMEMBER", MEDIA_FOLDERS, path.partition("/")[0]):
                    raise HTTPException(HTTPStatus.GONE, "its creator has withdrawn the video")
        await self._media(scope, receive, send)


class MediaObjects:
    """The same from a bucket."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def why_unreadable(self) -> str | None:
        """What keeps the bucket from being read; None when it can be."""
        try:
            await asyncio.wait_for(self._objects.head_async("is-it-there"), _LOOK_S)
        except FileNotFoundError:
            return None
        except TimeoutError:
            return f"the bucket did not answer within {_LOOK_S:g} s"
        except Exception as error:  # each kind of store has errors of its own
            return f"the bucket answered with {type(error).__name__}"
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path(scope)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        if not path or any(part.startswith(".") for part in path.split("/")):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        try:
            response = await (
                self._about(path) if scope["method"] == "HEAD" else self._sent(path, Headers(scope=scope))
            )
        except FileNotFoundError:
            raise HTTPException(HTTPStatus.NOT_FOUND) from None
        if response.headers["ETag"] in Headers(scope=scope).get("if-none-match", "none"):
            response = NotModifiedResponse(response.headers)
        await response(scope, receive, send)

    async def _about(self, path: str) -> Response:
        """What is said of an object, of which nothing is read."""
        size = (await self._objects.head_async(path))["size"]
        return Response(headers=_headers(path, size, size))

    async def _sent(self, path: str, headers: Headers) -> Response:
        """An object, or the part that is asked for."""
        asked = _part(headers)
        found = await self._get(path, asked)
        (start, end), size = found.range, found.meta["size"]
        about = _headers(path, end - start, size)
        if not asked:
            return StreamingResponse(found.stream(), headers=about)
        about["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        return StreamingResponse(found.stream(), HTTPStatus.PARTIAL_CONTENT, headers=about)

    async def _get(self, path: str, asked: GetOptions | None) -> GetResult:
        """An object or a part of it. Raises FileNotFoundError, and 416 for a part that begins behind its end."""
        try:
            return await self._objects.get_async(path, options=asked)
        except FileNotFoundError:
            raise
        except Exception:  # each kind of store has an error of its own for it
            size = (await self._objects.head_async(path))["size"]
            match asked and asked["range"]:
                case (int(start), _) | {"offset": int(start)} if start >= size:
                    unsatisfied = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
                    raise HTTPException(unsatisfied, headers={"Content-Range": f"bytes */{size}"}) from None
            raise


def _path(scope: Scope) -> str:
    """Below the media store."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")).lstrip("/")


def _headers(path: str, length: int, size: int) -> dict[str, str]:
    return {
        "Cache-Control": _FOREVER,
        "Content-Length": str(length),
        "Content-Type": _TYPES.get(PurePath(path).suffix, "application/octet-stream"),
        "Accept-Ranges": "bytes",
        "ETag": _tag(size),
    }


def _tag(size: int) -> str:
    """The ETag of a file. By its time, as by default, a file made again would be another, and to an edge be broken."""
    return f'"{size:x}"'


def _part(headers: Headers) -> GetOptions | None:
    """The part of a file that is asked for; None for all of it."""
    match = _RANGE.fullmatch(headers.get("range", ""))
    # All of it is right whatever is behind the condition, since no file changes.
    if match is None or "if-range" in headers:
        return None
    first, last = match.groups()
    if first and last:
        return {"range": (int(first), int(last) + 1)} if int(first) <= int(last) else None
    if first:
        return {"range": {"offset": int(first)}}
    return {"range": {"suffix": int(last)}} if last.strip("0") else None
