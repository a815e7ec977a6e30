"""What a client says by tus, and what it leaves in the landing area.

Belongs here: what the tests of uploads and of edges share.
"""

from __future__ import annotations

import json
import socket
from base64 import b64encode
from pathlib import Path
from typing import Any, cast

import httpx

CLIP = bytes(range(256)) * 40
TUS = {"Tus-Resumable": "1.0.0"}


def metadata(**values: str) -> str:
    return ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in values.items())


def begin(api: httpx.Client, *, length: int = len(CLIP), **values: str) -> httpx.Response:
    stated = metadata(**({"user_id": "ann", "filename": "My cat.MP4"} | values))
    return api.post("/v1/uploads", headers=TUS | {"Upload-Length": str(length), "Upload-Metadata": stated})


def begun(api: httpx.Client, *, length: int = len(CLIP), **values: str) -> str:
    """The address of a new upload."""
    return str(begin(api, length=length, **values).headers["location"])


def send(api: httpx.Client, address: str, data: bytes, at: int, **more: str) -> httpx.Response:
    headers = TUS | {"Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"} | more
    return api.patch(address, content=data, headers=headers)


def offset(api: httpx.Client, address: str) -> int:
    return int(api.head(address, headers=TUS).headers["upload-offset"])


def lines(landing: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in landing.glob("manifests/[!.]*") for line in file.read_text().splitlines()]


class connected:
    """A PATCH of all that is missing of an upload, whose body stops after `data` and never ends."""

    def __init__(self, api: httpx.Client, address: str, data: bytes, *, length: int, at: int = 0) -> None:
        self._socket = socket.create_connection((api.base_url.host, cast(int, api.base_url.port)), timeout=60)
        head = (
            f"PATCH {address} HTTP/1.1", "Host: x", "Tus-Resumable: 1.0.0", f"Upload-Offset: {at}",
            "Content-Type: application/offset+octet-stream", f"Content-Length: {length - at}",
        )  # fmt: skip
        self._socket.sendall("\r\n".join((*head, "", "")).encode() + data)

    def __enter__(self) -> socket.socket:
        return self._socket

    def __exit__(self, *error: object) -> None:
        self._socket.close()
