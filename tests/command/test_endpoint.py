"""The endpoint as a process: what is in flight when it is told to stop is answered."""

import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

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
