"""What the OpenAPI document says of the routes by which uploads come.

Belongs here: their headers, answers and errors, as FastAPI's decorators take them. The routes: uploads.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, Field

from serving.idempotency import PARAMETER
from serving.problems import documented

VERSION = "1.0.0"
CONTENT_TYPE = "application/offset+octet-stream"
_HEADER = {"schema": {"type": "string"}}
_NUMBER = {"schema": {"type": "integer"}}


class UploadStatus(BaseModel):
    """What has become of an upload."""

    upload_id: str
    status: Literal["receiving", "waiting", "processing", "published", "refused"] = Field(
        description="`receiving` until all of it is there, `waiting` for a job, `processing` in one; then it is "
        "`published` or `refused`."
    )
    received: int = Field(description="Bytes that are here.")
    bytes: int = Field(description="Bytes that there are to be.")
    expires_at: datetime | None = Field(description="Until when it may stand still; null once it is whole.")
    video_id: str | None = Field(description="The video that it becomes, as soon as it is whole.")
    playback_url: str | None = Field(description="Where it plays, once it is published.")
    reason: str | None = Field(description="One word why it is refused, such as `too_long`.")
    detail: str | None = Field(description="The reason in words.")


def _parameter(name: str, where: str, description: str, schema: Mapping[str, object], required: bool) -> Any:
    return {"name": name, "in": where, "description": description, "schema": schema, "required": required}


_RESUMABLE = _parameter("Tus-Resumable", "header", "The version of tus.", {"enum": [VERSION]}, True)
_NAME = {"type": "string", "pattern": "^[0-9a-f]{48}$"}
_NAMED = _parameter("upload_id", "path", "The last part of `Location`.", _NAME, True)

ABILITIES: dict[str, Any] = {
    "status_code": HTTPStatus.NO_CONTENT,
    "responses": {HTTPStatus.NO_CONTENT: {"headers": {"Tus-Version": _HEADER, "Tus-Max-Size": _NUMBER}}},
}
CREATE: dict[str, Any] = {
    "status_code": HTTPStatus.CREATED,
    "response_model": None,
    "responses": {
        HTTPStatus.CREATED: {"headers": {"Location": _HEADER, "Upload-Expires": _HEADER}},
        **documented(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.CONFLICT,
            HTTPStatus.PRECONDITION_FAILED,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.INSUFFICIENT_STORAGE,
        ),
    },
    "openapi_extra": {
        "parameters": [
            _RESUMABLE,
            _parameter("Upload-Length", "header", "Bytes of the file.", {"type": "integer", "minimum": 1}, True),
            _parameter(
                "Upload-Metadata",
                "header",
                "Keys with their values in base64: `user_id`, and where you like `title`, `hashtags` with blanks "
                "between them, `filename` and `filetype`.",
                {"type": "string"},
                True,
            ),
            PARAMETER,
        ]
    },
}
OFFSET: dict[str, Any] = {
    "response_model": None,
    "responses": {
        HTTPStatus.OK: {"headers": {"Upload-Offset": _NUMBER, "Upload-Length": _NUMBER}},
        **{
            status.value: {"description": status.phrase}  # an answer to HEAD has no body
            for status in (
                HTTPStatus.NOT_FOUND,
                HTTPStatus.GONE,
                HTTPStatus.PRECONDITION_FAILED,
                HTTPStatus.INSUFFICIENT_STORAGE,
            )
        },
    },
    "openapi_extra": {"parameters": [_NAMED, _RESUMABLE]},
}
RECEIVE: dict[str, Any] = {
    "status_code": HTTPStatus.NO_CONTENT,
    "response_model": None,
    "responses": {
        HTTPStatus.NO_CONTENT: {"headers": {"Upload-Offset": _NUMBER, "Upload-Expires": _HEADER}},
        **documented(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.CONFLICT,
            HTTPStatus.GONE,
            HTTPStatus.PRECONDITION_FAILED,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.LOCKED,
            HTTPStatus.INSUFFICIENT_STORAGE,
        ),
    },
    "openapi_extra": {
        "parameters": [
            _NAMED,
            _RESUMABLE,
            _parameter("Upload-Offset", "header", "What is here already.", {"type": "integer", "minimum": 0}, True),
        ],
        "requestBody": {"required": True, "content": {CONTENT_TYPE: {"schema": {"format": "binary"}}}},
    },
}
END: dict[str, Any] = {
    "status_code": HTTPStatus.NO_CONTENT,
    "response_model": None,
    "responses": documented(
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.GONE,
        HTTPStatus.PRECONDITION_FAILED,
        HTTPStatus.LOCKED,
    ),
    "openapi_extra": {"parameters": [_NAMED, _RESUMABLE]},
}
STATUS: dict[str, Any] = {
    "response_model": None,
    "responses": {
        HTTPStatus.OK: {"model": UploadStatus},
        **documented(
            HTTPStatus.NOT_FOUND,
            HTTPStatus.GONE,
            HTTPStatus.SERVICE_UNAVAILABLE,
            HTTPStatus.INSUFFICIENT_STORAGE,
        ),
    },
    "openapi_extra": {"parameters": [_NAMED]},
}
