"""Events over HTTP: what client apps report about what was watched.

Belongs here: what an event must look like, and the answer to a batch that is partly wrong. Keeping events: spool.py, or
producer.py. Counting each one once, whatever is retried: jobs/events/ingest.py.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Protocol, Self

import orjson
from fastapi import APIRouter
from prometheus_client import Counter
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from serving.elements import elements
from serving.feed_store.muted import MuteWord
from serving.feed_store.wire import Wire
from serving.idempotency import PARAMETER, once
from serving.ids import Id
from serving.interactions import (
    AHEAD,
    EARLIEST,
    MAX_HASHTAG,
    MAX_SHARE,
    MAX_WATCH_MS,
    MUTES,
    OF_CREATORS,
    OF_HASHTAGS,
    POSITIONS,
    REFUSALS,
    EventType,
)
from serving.problems import Problem, documented

MAX_BODY_BYTES = 1 << 20
MAX_EVENTS = 1_000
MAX_REASON = 500
# What a client held back for longer than this, or somebody's log of the past, does not say what was shown lately.
LATELY = timedelta(days=1)
_SENT = [one for one in EventType if one != EventType.WITHDRAW]
Remember = Callable[[list[tuple[str, str]], list[tuple[str, str]]], Awaitable[None]]
Mute = Callable[[list[MuteWord]], Awaitable[None]]


def _iso_8601(value: object) -> object:
    """Refuse numbers, also as text: whether they count seconds or milliseconds is anybody's guess."""
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\dT", value):
        raise ValueError("must be an ISO 8601 time with a zone, such as 2026-01-31T18:00:00Z")
    return value


def _as_of_videos(hashtag: str) -> str:
    """As silver.videos spells it."""
    spelled = hashtag.strip().lstrip("#").lower()
    if not spelled:
        raise ValueError("must have a character beside '#'")
    return spelled


class Event(BaseModel):
    """One interaction of one person with one video. The columns of bronze.events."""

    model_config = ConfigDict(extra="forbid")

    event_id: Id | None = Field(
        default=None,
        description="Yours to choose, unique for the user. Send one: an event that is sent again under its id counts "
        "once. Without it the server makes one up, and a retry counts twice.",
    )
    user_id: Id
    video_id: Id
    # Spelled out: pydantic's reference to a definition inside this schema would point nowhere in the OpenAPI document.
    event_type: Annotated[EventType, WithJsonSchema({"type": "string", "enum": _SENT, "title": "Event Type"})]
    event_at: Annotated[AwareDatetime, BeforeValidator(_iso_8601)] = Field(
        description="When it happened: after 1989, and at most a day from now."
    )
    session_id: Id | None = None
    position: int | None = Field(default=None, strict=True, ge=0, lt=POSITIONS, description="0-based slot of the feed.")
    feed_version: Id | None = Field(default=None, description="The feed that showed the video.")
    watch_ms: int | None = Field(default=None, strict=True, ge=0, le=MAX_WATCH_MS, description="Time on screen.")
    share_watched: float | None = Field(
        default=None, strict=True, ge=0, le=MAX_SHARE, allow_inf_nan=False, description="Loops exceed 1."
    )
    hashtag: Annotated[str, AfterValidator(_as_of_videos), Field(max_length=MAX_HASHTAG)] | None = Field(
        default=None, description="Of mute_hashtag and unmute_hashtag: which one."
    )

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        """`info.context` is the time of receipt."""
        assert isinstance(info.context, datetime)
        if not EARLIEST <= self.event_at <= info.context + AHEAD:
            raise ValueError("event_at must lie between 1990 and one day from now")
        if self.event_type == EventType.VIEW and self.watch_ms is None and self.share_watched is None:
            raise ValueError("a view must say watch_ms or share_watched")
        if self.event_type == EventType.WITHDRAW:  # which takes a key of another scope
            raise ValueError("a video is withdrawn by DELETE /v1/videos/{video_id}")
        if (self.hashtag is not None) != (self.event_type in OF_HASHTAGS):
            raise ValueError(f"{' and '.join(OF_HASHTAGS)} name a hashtag, and no other event does")
        return self

    def record(self, received_at: datetime) -> dict[str, object]:
        """The event as it is kept."""
        return {
            **self.model_dump(),
            "event_id": self.event_id or str(uuid.uuid4()),
            "event_at": self.event_at.astimezone(UTC),
            "received_at": received_at,
        }


_EVENT = {"$ref": "#/components/schemas/Event"}
_EVENTS = {"type": "array", "items": _EVENT, "minItems": 1, "maxItems": MAX_EVENTS}


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


class EventKeeper(Protocol):
    """Where events are kept until the next ingest: the spool, or a topic of Kafka's. Thread-safe."""

    def append(self, events: Sequence[Mapping[str, object]]) -> Future[None] | None:
        """Keep them, or raise; what is returned ends when they are safe, and is None where they are."""

    def reject(self, raw: bytes, reason: str, received_at: datetime) -> None:
        """Keep the beginning of what was refused, where a person finds it and no job looks. Never raises."""

    def why_it_takes_nothing(self) -> str | None:
        """What keeps events out, if anything does."""


def router(keeper: EventKeeper, counted: Counter, wire: Wire, remember: Remember, mute: Mute) -> APIRouter:
    """The route that clients write to. `counted` counts events by their `outcome`; `wire` leads to answers of before.

    `remember` is told who (first) refused and who was shown which video (second): feeds heed it at once.
    """
    routes = APIRouter(prefix="/v1", tags=["events"])

    @routes.post(
        "/events",
        status_code=HTTPStatus.ACCEPTED,
        response_model=None,
        responses={
            HTTPStatus.ACCEPTED: {"model": Receipt},
            **documented(
                HTTPStatus.BAD_REQUEST,
                HTTPStatus.CONFLICT,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                HTTPStatus.UNPROCESSABLE_ENTITY,
                HTTPStatus.SERVICE_UNAVAILABLE,
                HTTPStatus.INSUFFICIENT_STORAGE,
            ),
        },
        openapi_extra={
            "parameters": [PARAMETER],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"oneOf": [_EVENT, _EVENTS]}}},
            },
        },
    )
    async def send_events(request: Request) -> Response:
        """Take one event or a list of them.

        202: the accepted ones are kept, the rejected ones are listed by index with the reason. 422: none was valid.
        503: they may not have been kept; send them again under the same ids.
        """
        body = await _body(request)
        return await once(wire, request, body, lambda: take(body))

    async def take(body: bytes) -> Response:
        received_at = datetime.now(UTC)
        # In a thread: parsing a large body and waiting for a disk must not hold up those who read feeds.
        receipt, records, kept = await asyncio.to_thread(_take, keeper, body, received_at)
        if kept is not None:
            # Not in that thread: there are few of them, and a broker that is away would have them all wait for it.
            await asyncio.wrap_future(kept)
        counted.labels(outcome="accepted").inc(len(receipt.accepted))
        counted.labels(outcome="rejected").inc(len(receipt.rejected))
        if not receipt.accepted:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "no-valid-event",
                f"none of {len(receipt.rejected)} events is valid",
                rejected=[rejected.model_dump() for rejected in receipt.rejected],
            )
        # The events are kept, and the next night respects them in any case.
        with suppress(RedisError):
            await remember(*_refused_and_shown(records, received_at))
            await mute(_mute_words(records))
        return Response(orjson.dumps(receipt.model_dump()), HTTPStatus.ACCEPTED, media_type="application/json")

    return routes


def _refused_and_shown(
    records: Sequence[Mapping[str, object]], received_at: datetime
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Who (first) refused which video (second), and who was shown which lately: whatever they did, they saw it."""
    refused, shown = [], []
    for record in records:
        who_what = str(record["user_id"]), str(record["video_id"])
        if record["event_type"] in REFUSALS:
            refused.append(who_what)
        event_at = record["event_at"]
        assert isinstance(event_at, datetime)
        if event_at > received_at - LATELY:
            shown.append(who_what)
    return refused, shown


def _mute_words(records: Sequence[Mapping[str, object]]) -> list[MuteWord]:
    """What they mute and unmute."""
    words = []
    for record in records:
        if record["event_type"] in (*OF_CREATORS, *OF_HASHTAGS):
            hashtag, event_at, is_muted = record["hashtag"], record["event_at"], record["event_type"] in MUTES
            assert isinstance(hashtag, str | None) and isinstance(event_at, datetime)
            words.append(MuteWord(str(record["user_id"]), str(record["video_id"]), hashtag, event_at, is_muted))
    return words


def _take(
    keeper: EventKeeper, body: bytes, received_at: datetime
) -> tuple[Receipt, list[dict[str, object]], Future[None] | None]:
    """Keep the good events, then the others; also returns the good ones as they are kept.

    The third ends when the good ones are safe, and is None where they are.
    Raises Problem for a body that is not a batch at all.
    """
    receipt = Receipt(accepted=[], rejected=[])
    records = []
    texts = _texts(keeper, body, received_at)
    for index, text in enumerate(texts):
        try:
            record = Event.model_validate(orjson.loads(text), context=received_at).record(received_at)
        except orjson.JSONDecodeError as exc:
            receipt.rejected.append(Rejected(index=index, reason=f"not JSON: {exc}"))
        except ValidationError as exc:
            receipt.rejected.append(Rejected(index=index, reason=_reason(exc)))
        else:
            receipt.accepted.append(Accepted(index=index, event_id=str(record["event_id"])))
            records.append(record)
    kept = keeper.append(records) if records else None
    for rejected in receipt.rejected:
        keeper.reject(texts[rejected.index], rejected.reason, received_at)
    return receipt, records, kept


def _texts(keeper: EventKeeper, body: bytes, received_at: datetime) -> list[bytes]:
    """The events of a body, each as it was received: those of a list, or the one there is."""
    texts = elements(body, MAX_EVENTS)
    if texts is None:
        try:
            orjson.loads(body)
        except orjson.JSONDecodeError as exc:
            keeper.reject(body, f"not JSON: {exc}", received_at)
            raise Problem(HTTPStatus.BAD_REQUEST, "not-json", f"the body is not JSON: {exc}") from exc
        return [body]
    if len(texts) > MAX_EVENTS:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-many-events", f"too many events; send {MAX_EVENTS} at a time"
        )
    return texts


def _reason(exc: ValidationError) -> str:
    errors = exc.errors(include_url=False, include_context=False, include_input=False)
    # The names of unknown fields are the sender's, as many and as long as a body can hold.
    listed = "; ".join(f"{'.'.join(map(str, error['loc'])) or 'event'}: {error['msg']}" for error in errors[:20])
    return listed if len(listed) <= MAX_REASON else f"{listed[:MAX_REASON]}..."


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
