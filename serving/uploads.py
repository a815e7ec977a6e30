"""Uploads over HTTP, by tus 1.0 (https://tus.io/protocols/resumable-upload): core, creation, expiration, termination.

Belongs here: the protocol, and the answer to what has become of an upload. What /docs says: uploads_described.py. What
is kept, and how it lands: incoming.py. What may be stated of it: stated.py. What a job makes of it:
jobs/media/publish.py.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, TypeVar

import orjson
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from serving import uploads_described as described
from serving.feed_store.outcomes import PROCESSING, key
from serving.feed_store.reader import FeedReader
from serving.idempotency import once
from serving.incoming import Incoming, Part, Progress
from serving.problems import EXPECTED, Problem, problem_of, problem_response
from serving.stated import stated
from serving.uploads_described import CONTENT_TYPE, VERSION, UploadStatus

EXTENSIONS = "creation,expiration,termination"
PATH = "/v1/uploads"
# Written to the disk at a time, by a thread: more would only fill memory.
_BLOCK_BYTES = 1 << 20
# Who sends nothing for so long has lost the connection, whatever this side of it believes, and keeps others out.
IDLE_S = 30.0
_SWEEP_EVERY_S = 3_600.0
# Threads of their own: events and probes would wait in those of the loop while a few large clips land.
_DISK = ThreadPoolExecutor(8, "uploads")
# 15 digits are more bytes than there are.
_DIGITS = 15
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class _Route(APIRoute):
    """A route each of whose answers names the version of tus, as tus wants it; problems too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_tus(request: Request) -> Response:
            try:
                response = await handle(request)
            except EXPECTED as error:
                response = problem_response(request, problem_of(error))
            response.headers["Tus-Resumable"] = VERSION
            return response

        return handle_tus


_ONE = "/uploads/{upload_id}"


def router(incoming: Incoming, reader: FeedReader) -> APIRouter:
    """The routes by which uploads come, and by which it is asked what became of them."""
    routes = APIRouter(prefix="/v1", tags=["uploads"], route_class=_Route)
    limits = incoming.limits

    @routes.options("/uploads", **described.ABILITIES)
    async def upload_abilities() -> Response:
        """What this server knows of tus."""
        about = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(limits.max_bytes)}
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=about)

    @routes.post("/uploads", **described.CREATE)
    async def create_upload(request: Request) -> Response:
        """Begin an upload: send its bytes to `Location`, and ask there what became of it.

        The same bytes of the same person are the same video, however often they come.
        """
        _check_version(request)
        length = _number(request, "upload-length")
        if length == 0:
            raise _invalid("Upload-Length is 0, and an empty file is no clip")
        if length > limits.max_bytes:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "upload-too-large",
                f"an upload may have {limits.max_bytes} bytes",
                headers={"Tus-Max-Size": str(limits.max_bytes)},
            )
        note = stated(request.headers.get("upload-metadata", ""), length, limits)

        async def begin() -> Response:
            name = await _on_disk(lambda now: incoming.begin(note, now))
            progress = await _on_disk(lambda now: incoming.progress(name, now))
            return _answer(HTTPStatus.CREATED, progress, {"Location": f"{PATH}/{name}"})

        return await once(reader.wire, request, f"{length} {note.metadata}".encode(), begin)

    @routes.head(_ONE, **described.OFFSET)
    async def upload_offset(request: Request) -> Response:
        """How far it has come: go on from `Upload-Offset`."""
        _check_version(request)
        progress = await _on_disk(lambda now: incoming.progress(_name(request), now))
        about = {"Upload-Length": str(progress.note.bytes), "Upload-Metadata": progress.note.metadata}
        return _answer(HTTPStatus.OK, progress, about)

    @routes.patch(_ONE, **described.RECEIVE)
    async def continue_upload(request: Request) -> Response:
        """Send what follows. What comes before the connection is lost is kept; ask by HEAD how much that was.

        With the last byte the upload is handed to the platform.
        """
        _check_version(request)
        if request.headers.get("content-type") != CONTENT_TYPE:
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not-an-offset", f"send {CONTENT_TYPE}")
        at = _number(request, "upload-offset")
        async with _writing(incoming, _name(request)) as part:
            if part.received != at:
                detail = f"{part.received} bytes are here; go on from there"
                headers = {"Upload-Offset": str(part.received)}
                raise Problem(HTTPStatus.CONFLICT, "other-offset", detail, headers=headers)
            await _take(request, part)
            progress = await _on_disk(part.keep)
        return _answer(HTTPStatus.NO_CONTENT, progress, {})

    @routes.delete(_ONE, **described.END)
    async def end_upload(request: Request) -> Response:
        """Let go of what has come. What is whole is the platform's, and stays."""
        _check_version(request)
        await _on_disk(lambda now: incoming.end(_name(request), now))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @routes.post(_ONE, include_in_schema=False)
    async def instead(request: Request) -> Response:
        """What tus asks for those whose network lets no other method pass."""
        method = request.headers.get("x-http-method-override", "")
        doing = {"PATCH": continue_upload, "DELETE": end_upload}.get(method)
        if doing is None:
            raise Problem(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "",
                "send PATCH, HEAD, GET or DELETE",
                headers={"Allow": "PATCH, HEAD, GET, DELETE"},
            )
        return await doing(request)

    @routes.get(_ONE, **described.STATUS)
    async def upload_status(request: Request) -> Response:
        """What has become of it, for a week after it began."""
        name = _name(request)
        progress = await _on_disk(lambda now: incoming.progress(name, now))
        answer = await _status(name, progress, reader)
        return Response(
            orjson.dumps(answer.model_dump()), headers={"Cache-Control": "no-store"}, media_type="application/json"
        )

    return routes


@asynccontextmanager
async def kept_tidy(incoming: Incoming) -> AsyncIterator[None]:
    """What processes before this one left whole lands, now and once in a while, and what expired is let go."""

    async def tidy() -> None:
        while True:
            try:
                await asyncio.to_thread(incoming.sweep, datetime.now(UTC))
            except Exception:  # whatever it is, nobody else would tidy again
                _log.exception("cannot tidy the uploads on their way; trying again")
            await asyncio.sleep(_SWEEP_EVERY_S)

    tidying = asyncio.create_task(tidy())
    try:
        yield
    finally:
        tidying.cancel()
        with suppress(asyncio.CancelledError):
            await tidying


async def _status(name: str, progress: Progress, reader: FeedReader) -> UploadStatus:
    status = UploadStatus(
        upload_id=name, status="receiving", received=progress.received, bytes=progress.note.bytes,
        expires_at=progress.expires_at, video_id=None, playback_url=None, reason=None, detail=None,
    )  # fmt: skip
    if progress.note.landed_as is None:
        return status
    status.status, status.video_id = "waiting", progress.note.landed_as.upload_id
    card, outcome = await asyncio.gather(reader.video(status.video_id), reader.wire.ask("GET", key(status.video_id)))
    if card is not None:
        status.status, status.playback_url = "published", orjson.loads(card)["playback_url"]
    elif outcome == PROCESSING.encode():
        status.status = "processing"
    elif outcome is not None:
        reason, _, detail = outcome.decode().partition(": ")
        status.status, status.reason, status.detail = "refused", reason, detail
    return status


async def _take(request: Request, part: Part) -> None:
    """Write the body to the upload's end as it comes. Raises a problem where it is too long, or no longer comes."""
    left = part.note.bytes - part.received
    block = bytearray()
    body = request.stream()
    try:
        while True:
            async with asyncio.timeout(IDLE_S):
                chunk = await anext(body, None)
            if chunk is None:
                break
            left -= len(chunk)
            if left < 0:
                block.clear()
                await _on_disk(lambda _: part.take_back())
                detail = "these are more bytes than Upload-Length said, and none of them was kept"
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "more-than-stated", detail)
            block += chunk
            if len(block) >= _BLOCK_BYTES:
                await _write(part, block)
    except TimeoutError as error:
        detail = f"nothing came for {IDLE_S:g} s; what came before was kept"
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, "idle", detail) from error
    except ClientDisconnect:  # nobody hears the answer
        pass
    finally:  # also where this process is stopped
        await _write(part, block)


async def _write(part: Part, block: bytearray) -> None:
    data = bytes(block)
    block.clear()
    await _on_disk(lambda _: part.append(data))


@asynccontextmanager
async def _writing(incoming: Incoming, name: str) -> AsyncIterator[Part]:
    """Alone with an upload. Taking and leaving it are moments; in between come seconds."""
    with ExitStack() as held:
        yield await _on_disk(lambda now: held.enter_context(incoming.writing(name, now)))


async def _on_disk(work: Callable[[datetime], _T]) -> _T:
    """What needs the disk, in a thread: who waits for it must not hold up those who read feeds."""
    working = asyncio.get_running_loop().run_in_executor(_DISK, work, datetime.now(UTC))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:  # at a stop; nobody else may write to the upload before the thread is done
        await asyncio.wait([working])
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _log.exception("the landing area is full")
        detail = "there is no room for the upload; go on with it later"
        headers = {"Retry-After": "60"}
        raise Problem(HTTPStatus.INSUFFICIENT_STORAGE, "landing-full", detail, headers=headers) from error


def _answer(status: HTTPStatus, progress: Progress, headers: Mapping[str, str]) -> Response:
    about = {"Upload-Offset": str(progress.received), "Cache-Control": "no-store", **headers}
    if progress.expires_at is not None:
        about["Upload-Expires"] = format_datetime(progress.expires_at, usegmt=True)
    return Response(status_code=status, headers=about)


def _name(request: Request) -> str:
    return str(request.path_params["upload_id"])


def _check_version(request: Request) -> None:
    if request.headers.get("tus-resumable") != VERSION:
        detail = f"send Tus-Resumable: {VERSION}, the version of tus that is spoken here"
        headers = {"Tus-Version": VERSION}
        raise Problem(HTTPStatus.PRECONDITION_FAILED, "other-version", detail, headers=headers)


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise _invalid(f"the header {header} must be a number of bytes")
    return int(text)


def _invalid(detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "header-invalid", detail)
