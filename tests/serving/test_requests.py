"""What is noted of each request: its id in the answer, in problems and in a trace. Its log: test_logs.py."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from serving.app import create_app
from tests.serving.conftest import over_http

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serving.conftest import Publish, RawRedis

MADE = re.compile(r"[0-9a-f]{32}")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/feed/ann", 503),
        ("GET", "/v1/feed/", 404),
        ("POST", "/v1/events", 400),
        ("PATCH", f"/v1/uploads/{'a' * 48}", 412),
        ("GET", "/media/nope.mp4", 404),
        ("GET", "/player/nope.js", 404),
    ],
)
def test_a_problem_has_the_id_of_its_request_which_is_the_clients_where_it_sends_one(
    api: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = api.request(method, path, headers={"X-Request-ID": "from-a-proxy.1"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (status, "from-a-proxy.1")
    assert answer.json()["request_id"] == "from-a-proxy.1"
    again = api.request(method, path)
    assert MADE.fullmatch(again.headers["x-request-id"])
    assert again.json()["request_id"] == again.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/livez", "/v1/feed/ann", "/", "/openapi.json"])
def test_an_answer_has_one_id_and_no_two_have_the_same(api: httpx.Client, publish: Publish, path: str) -> None:
    publish("v1", {"ann": ["a"]})
    ids = [api.get(path).headers.get_list("x-request-id") for _ in range(3)]
    assert all(len(of_one) == 1 for of_one in ids) and len({one for of_one in ids for one in of_one}) == 3


@pytest.mark.parametrize("name", ["", "x" * 129, "two words", "ü"])
def test_what_would_break_a_line_of_a_log_is_not_taken_over(api: httpx.Client, name: str) -> None:
    answer = api.get("/livez", headers=[(b"X-Request-ID", name.encode("latin-1"))])
    assert MADE.fullmatch(answer.headers["x-request-id"])


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(server_url: str, raw_redis: RawRedis, spans: InMemorySpanExporter, tmp_path: Path) -> Iterator[httpx.Client]:
    """The service, whose spans are collected; pages of any origin may call it."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    app = create_app(
        redis_url=server_url,
        media=tmp_path / "media",
        events=tmp_path / "events",
        landing=tmp_path / "landing",
        secret="a secret",
        origins=["*"],
        traces=provider,
    )
    with over_http(app) as client:
        yield client


def test_an_error_of_ours_is_a_span_with_its_request_and_not_with_what_the_error_says(
    traced: httpx.Client, spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "events")
    (tmp_path / "events").touch()  # something that no code expects
    answer = traced.get("/metrics", headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers.get_list("x-request-id")) == (500, ["mine"])
    assert answer.json()["request_id"] == "mine"
    (span,) = spans.get_finished_spans()
    assert (span.status.status_code, span.events) == (StatusCode.ERROR, ())
    assert span.attributes is not None and span.attributes["http.request.header.x-request-id"] == ("mine",)


def test_a_span_goes_on_in_the_trace_of_the_caller_and_names_the_route_and_nobody(
    traced: httpx.Client, spans: InMemorySpanExporter, publish: Publish
) -> None:
    publish("v1", {"ann": ["a"]})
    caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    traced.get("/v1/feed/ann?limit=3", headers={"traceparent": caller})
    traced.get("/v1/nothing/ann")
    of_feed, of_nothing = spans.get_finished_spans()
    assert (of_feed.name, of_feed.kind, of_feed.status.status_code) == (
        "GET /v1/feed/{user_id}",
        SpanKind.SERVER,
        StatusCode.UNSET,
    )
    assert of_feed.context is not None and f"{of_feed.context.trace_id:032x}" in caller
    assert of_feed.parent is not None and f"{of_feed.parent.span_id:016x}" in caller
    assert of_feed.attributes is not None and of_feed.attributes["http.route"] == "/v1/feed/{user_id}"
    assert (of_nothing.name, of_nothing.parent) == ("GET", None)
    assert "ann" not in of_feed.to_json() + of_nothing.to_json()


def test_who_asks_from_a_page_of_another_origin_may_read_the_id(traced: httpx.Client) -> None:
    origin = {"Origin": "https://app.example"}
    assert "X-Request-ID" in traced.get("/livez", headers=origin).headers["access-control-expose-headers"]
    asked = traced.options("/v1/events", headers={**origin, "Access-Control-Request-Method": "POST"})
    assert asked.is_success and asked.headers["x-request-id"]
