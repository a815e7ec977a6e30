"""The endpoint as a process: what is in flight when it is told to stop is answered, and what it logs and traces."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from jobs.host.ports import free_port
from jobs.settings import Settings

EVENT = {"user_id": "ann", "video_id": "a", "event_type": "like", "event_at": "2026-01-01T00:00:00Z"}


def test_a_request_in_flight_is_answered_and_kept_when_the_endpoint_is_told_to_stop(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    port, body = free_port(), json.dumps(EVENT).encode()
    lines = ("POST /v1/events HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}")
    head = "\r\n".join((*lines, "", ""))
    with start(tmp_path / "home", "serve", "--port", str(port)) as process:
        assert process.stdout is not None and "Reelmill serves" in process.stdout.readline()
        with socket.create_connection(("127.0.0.1", port), timeout=30) as request:
            request.sendall(head.encode() + body[:10])
            time.sleep(1)
            process.terminate()
            time.sleep(1)
            assert process.poll() is None
            request.sendall(body[10:])
            assert request.recv(1000).startswith(b"HTTP/1.1 202")
        process.communicate(timeout=30)
    (kept,) = Settings(home=tmp_path / "home").events.glob("*.jsonl")
    assert json.loads(kept.read_text())["user_id"] == "ann"


class Collector(BaseHTTPRequestHandler):
    """Collects spans, by OTLP."""

    spans: list[tuple[str, str]]

    def do_POST(self) -> None:
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        (resource,) = sent.resource_spans
        assert 'string_value: "reelmill"' in str(resource.resource)
        self.spans += [(span.trace_id.hex(), span.name) for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


def test_an_error_is_in_the_log_and_in_the_trace_under_the_id_of_its_request(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, Collector.spans = free_port(), []
    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        monkeypatch.setenv("REELMILL_LOGS", "json")
        with start(tmp_path / "home", "serve", "--port", str(port)) as process:
            assert process.stdout is not None and "Reelmill serves" in process.stdout.readline()
            spool = Settings(home=tmp_path / "home").events
            httpx.get(f"http://127.0.0.1:{port}/livez", timeout=60).raise_for_status()
            shutil.rmtree(spool)
            spool.touch()  # something that no code expects
            broken = httpx.get(f"http://127.0.0.1:{port}/metrics", headers={"X-Request-ID": "mine"}, timeout=60)
            assert broken.status_code == 500
            process.terminate()
            lines = [json.loads(line) for line in process.communicate(timeout=60)[0].splitlines() if line[0] == "{"]
        collector.shutdown()
    noted = [(line["route"], line["status"]) for line in lines if line["logger"] == "serving.requests"]
    assert noted == [("/livez", 200), ("/metrics", 500)]
    of_it = [line for line in lines if line.get("request_id") == "mine"]
    assert any("NotADirectoryError" in line.get("exception", "") for line in of_it)
    assert {(line["trace_id"], "GET /metrics") for line in of_it} < set(Collector.spans)
