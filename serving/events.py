"""Events over HTTP: what client apps report about what was watched.

Belongs here: what an event must look like, and the answer to a batch that is partly wrong. Keeping events: spool.py.
Counting each one once, whatever is retried: jobs/events/ingest.py.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Literal, Self

import orjson
from fastapi import APIRouter
from prometheus_client import Counter
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import Response

from serving.problems import Problem, documented
from serving.spool import EventSpool

MAX_BODY_BYTES = 1 << 20
MAX_EVENTS = 1_000
_DAY_MS = 86_400_000

EventType = Literal[
    "impression", "view", "like", "share", "comment", "follow", "skip", "not_interested", "report"
]  # fmt: skip
Id = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]


def _iso_8601(value: object) -> object:
    """Refuse numbers, also as text: whether they count seconds or milliseconds is anybody's guess."""
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\dT", value):
        raise ValueError("must be an ISO 8601 time with a zone, such as 2026-01-31T18:00:00Z")
    return value


class Event(BaseModel):
    """One interaction of one person with one video. The columns of bronze.events."""

    model_config = ConfigDict(extra="forbid")

    event_id: Id | None = Field(
        default=None,
        description="Yours to choose, unique. Send one: an event that is sent again under its id counts once. "
        "Without it the server makes one up, and a retry counts twice.",
    )
    user_id: Id
    video_id: Id
    event_type: EventType
    event_at: Annotated[AwareDatetime, BeforeValidator(_iso_8601)] = Field(description="When it happened.")
    session_id: Id | None = None
    position: int | None = Field(default=None, strict=True, ge=0, lt=100_000, description="0-based slot of the feed.")
    feed_version: Id | None = Field(default=None, description="The feed that showed the video.")
    watch_ms: int | None = Field(default=None, strict=True, ge=0, le=_DAY_MS, description="Time on screen.")
    share_watched: float | None = Field(
        default=None, strict=True, ge=0, le=1_000, allow_inf_nan=False, description="Loops exceed 1."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not 1970 < self.event_at.year < 2100:  # beyond these a zone shift leaves the range of a timestamp
            raise ValueError("event_at must lie between 1971 and 2099")
        if self.event_type == "view" and self.watch_ms is None and self.share_watched is None:
            raise ValueError("a view must say watch_ms or share_watched")
        return self

    def record(self, received_at: datetime) -> dict[str, object]:
        """The event as the spool keeps it."""
        return {
            **self.model_dump(),
            "event_id": self.event_id or str(uuid.uuid4()),
            "event_at": self.event_at.astimezone(UTC),
            "received_at": received_at,
        }


class Accepted(BaseModel):
    index: int = Field(description="0-based place in the batch.")
    event_id: str


class Rejected(BaseModel):
    index: int
    reason: str


class Receipt(BaseModel):
    """What became of a batch."""

    accepted: list[Accepted]
    rejected: list[Rejected]


def router(spool: EventSpool, counted: Counter) -> APIRouter:
    """The route that clients write to. `counted` counts events by their `outcome`."""
    routes = APIRouter(prefix="/v1")

    @routes.post(
        "/events",
        status_code=HTTPStatus.ACCEPTED,
        response_model=None,
        responses={
            HTTPStatus.ACCEPTED: {"model": Receipt},
            **documented(
                HTTPStatus.BAD_REQUEST,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                HTTPStatus.UNPROCESSABLE_ENTITY,
                HTTPStatus.INSUFFICIENT_STORAGE,
            ),
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "oneOf": [
                                Event.model_json_schema(),
                                {"type": "array", "items": Event.model_json_schema(), "maxItems": MAX_EVENTS},
                            ]
                        }
                    }
                },
            }
        },
    )
    async def receive(request: Request) -> Response:
        """Take one event or a list of them.

        202: the accepted ones are on disk, the rejected ones are listed by index with the reason. 422: none was valid.
        """
        received_at = datetime.now(UTC)
        body = await _body(request)
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError as exc:
            spool.reject(body.decode(errors="backslashreplace"), f"not JSON: {exc}", received_at)
            raise Problem(HTTPStatus.BAD_REQUEST, "not-json", f"the body is not JSON: {exc}") from exc
        batch = parsed if isinstance(parsed, list) else [parsed]
        if len(batch) > MAX_EVENTS:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too-many-events",
                f"{len(batch)} events; send {MAX_EVENTS} at a time",
            )
        receipt, records = _sort(batch, received_at)
        for rejected in receipt.rejected:
            spool.reject(batch[rejected.index], rejected.reason, received_at)
        if records:
            spool.append(records)
        counted.labels(outcome="accepted").inc(len(records))
        counted.labels(outcome="rejected").inc(len(receipt.rejected))
        if not records:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "no-valid-event",
                f"none of {len(batch)} events is valid",
                rejected=[rejected.model_dump() for rejected in receipt.rejected],
            )
        return Response(orjson.dumps(receipt.model_dump()), HTTPStatus.ACCEPTED, media_type="application/json")

    return routes


def _sort(batch: list[object], received_at: datetime) -> tuple[Receipt, list[dict[str, object]]]:
    receipt = Receipt(accepted=[], rejected=[])
    records = []
    for index, raw in enumerate(batch):
        try:
            record = Event.model_validate(raw).record(received_at)
        except ValidationError as exc:
            receipt.rejected.append(Rejected(index=index, reason=_reason(exc)))
        else:
            receipt.accepted.append(Accepted(index=index, event_id=str(record["event_id"])))
            records.append(record)
    return receipt, records


def _reason(exc: ValidationError) -> str:
    errors = exc.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, error['loc'])) or 'event'}: {error['msg']}" for error in errors)


async def _body(request: Request) -> bytes:
    """The body, read only as far as it may go: a sender does not decide how much memory this process uses."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", f"send at most {MAX_BODY_BYTES} bytes at a time"
            )
    return bytes(body)
