"""All that the OpenAPI document allows, and much that it does not, is answered as it says, and never by a 5xx."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import httpx
import pytest
import redis
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving.events import Event, Receipt
from serving.feed_store import trending
from serving.feed_store.shapes import Explanation, Slot, TrendingItem, TrendingKind, Video
from serving.feed_store.writer import FeedStore
from serving.feeds import Cards, FeedPage
from serving.readiness import Readiness
from serving.trending import TrendingPage
from serving.uploads_described import CONTENT_TYPE, UploadStatus
from tests.serving.staging import write_feeds

if TYPE_CHECKING:
    from tests.serving.conftest import RawRedis

NIGHT = date(2024, 3, 1)
CARD = Video(
    video_id="v1", user_id="maker", title="T", hashtags=["sun"], duration=3.5, published_at="2024-03-01T00:00:00Z",
    views=1, likes=0, playback_url=None, poster_url=None,
).model_dump()  # fmt: skip
SLOTS = [Slot(**CARD | {"video_id": f"v{n}"}, position=n, reason="why").model_dump() for n in range(40)]
ITEM = {"rank": 1, "id": "v1", "score": 9.5, "people": 40, "reason": "why"}
# "The schema allows it, so it is taken" is not among them: that a view says how long is not in any schema.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ASKED = ["GET /livez", "GET /readyz", "GET /metrics", "OPTIONS /v1/uploads", "GET /media/{path}"]
ASKED_FOR_SOMETHING = [
    "GET /v1/feed/{user_id}", "GET /v1/feed/{user_id}/why/{video_id}", "GET /v1/trending/{kind}",
    "GET /v1/videos", "GET /v1/videos/{video_id}", "GET /v1/videos/{video_id}/related",
    "POST /v1/events", "POST /v1/uploads", "HEAD /v1/uploads/{upload_id}", "PATCH /v1/uploads/{upload_id}",
    "DELETE /v1/uploads/{upload_id}", "DELETE /v1/videos/{video_id}", "GET /v1/uploads/{upload_id}",
]  # fmt: skip
quick = hypothesis_settings(max_examples=25, suppress_health_check=list(HealthCheck), phases=[Phase.generate])


@schemathesis.serializer(CONTENT_TYPE)
def as_it_is(ctx: schemathesis.SerializationContext, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture
def full(api: httpx.Client, store: FeedStore, raw_redis: RawRedis) -> httpx.Client:
    """The service over a Redis that has something of everything."""
    store.begin("20240301.m")
    write_feeds(store, "20240301.m", [("ann", SLOTS)])
    store.write_fallback("20240301.m", SLOTS)
    store.commit("20240301.m", 1)
    store.write_videos([(CARD, NIGHT)])
    for kind in TrendingKind:
        trending.publish(cast(redis.Redis, raw_redis), kind, datetime(2024, 3, 1, 9, tzinfo=UTC), [ITEM])
    return api


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "mode"),
    [
        *((label, GenerationMode.POSITIVE) for label in [*ASKED, *ASKED_FOR_SOMETHING]),
        *((label, GenerationMode.NEGATIVE) for label in ASKED_FOR_SOMETHING),
    ],
)
def test_every_answer_is_one_that_the_document_describes(full: httpx.Client, label: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(full.get("/openapi.json").json())
    operations = {found.ok().label: found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)}
    assert operations.keys() == {*ASKED, *ASKED_FOR_SOMETHING}

    @quick
    @given(case=operations[label].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(base_url=str(full.base_url), checks=CHECKS)

    ask()


def test_the_document_has_whatever_a_generated_client_is_made_of(full: httpx.Client) -> None:
    schema = full.get("/openapi.json").json()
    operations = [one for of_path in schema["paths"].values() for one in of_path.values()]
    ids = [one["operationId"] for one in operations]
    assert len(set(ids)) == len(ids) and all(name.isidentifier() for name in ids)
    tags = {tag["name"] for tag in schema["tags"]}
    assert all(one["summary"] and set(one["tags"]) <= tags for one in operations)
    answers = [(status, answer["headers"]) for one in operations for status, answer in one["responses"].items()]
    assert all("X-Request-ID" in headers for _, headers in answers)
    assert {status for status, headers in answers if "Retry-After" in headers} == {"423", "429", "503", "507"}


def test_an_example_is_what_it_is_an_example_of(full: httpx.Client) -> None:
    described = full.get("/openapi.json").json()["components"]["schemas"]
    models: list[type[BaseModel]] = [
        Video, Slot, Cards, FeedPage, Explanation, TrendingItem, TrendingPage, Event, Receipt, Readiness, UploadStatus
    ]  # fmt: skip
    for model in models:
        (example,) = described[model.__name__]["examples"]
        model.model_validate(example, context=datetime.now(UTC), extra="forbid")


def test_whatever_is_read_by_get_can_be_asked_about_by_head(full: httpx.Client) -> None:
    of_videos = ("/v1/videos?ids=v1", "/v1/videos/v1", "/v1/videos/v1/related", "/v1/videos/nope")
    for path in (
        "/v1/feed/ann",
        "/v1/feed/ann/why/v1",
        *of_videos,
        "/v1/trending/videos",
        "/livez",
        "/readyz",
        "/metrics",
    ):
        asked, read = full.head(path), full.get(path)
        assert (asked.status_code, asked.content) == (read.status_code, b"")
        for name in ("content-type", "etag", "cache-control"):
            assert asked.headers.get(name) == read.headers.get(name)


@pytest.mark.slow
@hypothesis_settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), user_id=st.text(min_size=1, max_size=140) | st.sampled_from(["ann", "stranger"]))
def test_no_id_and_no_cursor_that_was_given_to_somebody_and_altered_breaks_a_route(
    full: httpx.Client, data: st.DataObject, user_id: str
) -> None:
    cursor = full.get("/v1/feed/ann").json()["next_cursor"]
    at = data.draw(st.integers(0, len(cursor)))
    altered = cursor[:at] + data.draw(st.text(max_size=5)) + cursor[at + data.draw(st.integers(0, 3)) :]
    shown = quote(user_id, safe="", errors="surrogatepass")
    for path in (f"/v1/feed/{shown}", f"/v1/videos/{shown}", f"/v1/trending/{shown}", "/v1/trending/videos"):
        answer = full.get(path, params={"cursor": altered, "limit": data.draw(st.integers(-1, 101))})
        assert answer.status_code in (200, 400, 404, 422), answer.text
