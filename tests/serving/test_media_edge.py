"""Two edges before one endpoint: nginx as docker/edge.conf has it, with other addresses and folders."""

import asyncio
import hashlib
import os
import random
import subprocess
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import redis
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from jobs.host import needs
from jobs.host.ports import free_port
from jobs.settings import REPOSITORY
from serving.app import create_app
from serving.feed_store import api_keys
from tests.serving.conftest import over_http
from tests.serving.tus import begun, connected, lines, offset, send
from tests.steps import wait

pytestmark = pytest.mark.slow

CLIENTS, TOGETHER = 500, 10
# What a player asks for, in its order.
CLIP = [f"/media/new/{name}" for name in (
    "master.m3u8", "360p/index.m3u8", "360p/init.mp4", "360p/000.m4s", "360p/001.m4s", "360p/002.m4s",
)]  # fmt: skip
# Three pieces of a megabyte, of which the last is not whole.
LARGE, LARGE_BYTES = "/media/new/720p/000.m4s", 2_500_000


class Counting:
    """Counts what the endpoint is asked for."""

    def __init__(self, app: ASGIApp, asked: Counter[str]) -> None:
        self._app, self._asked = app, asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._asked[scope["path"]] += 1
        await self._app(scope, receive, send)


@contextmanager
def edge(folder: Path, endpoint: str, secret: str | None = None) -> Iterator[httpx.Client]:
    """A client of an nginx of its own."""
    nginx = needs.program("nginx")
    assert nginx, "nginx is missing: run `python3 -m jobs.host.needs --tests`"
    folder.mkdir()
    if secret:
        (folder / "secret").mkdir()
        (folder / "secret" / "media").write_text(f'default "{secret}";\n')
    config, port = (REPOSITORY / "docker" / "edge.conf").read_text(), free_port()
    here = {"/tmp/": f"{folder}/", "/etc/reelmill/": f"{folder}/", " 8080": f" 127.0.0.1:{port}"}
    for there, place in (here | {"http://api:8000": endpoint}).items():
        assert there in config
        config = config.replace(there, place)
    (folder / "edge.conf").write_text(config)
    # Who starts as root works as nobody, who may not write to a folder of root's.
    as_us = ["-g", "user root;"] if os.geteuid() == 0 else []
    process = subprocess.Popen([nginx, "-e", "stderr", "-c", str(folder / "edge.conf"), *as_us])
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait(lambda: client.get("/healthz").is_success or process.poll() is not None)
            assert process.poll() is None
            yield client
    finally:
        process.terminate()
        process.wait()


class Origin:
    """The endpoint over one new clip, until it is killed."""

    def __init__(self, redis_url: str, folder: Path, *, demand_keys: bool = False) -> None:
        self.landing = folder / "landing"
        self.asked: Counter[str] = Counter()
        self.files = {path: random.Random(path).randbytes(30_000) for path in CLIP}
        self.files[LARGE] = random.Random(LARGE).randbytes(LARGE_BYTES)
        for path, content in self.files.items():
            file = folder / path.removeprefix("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        app = create_app(
            redis_url=redis_url, media=folder / "media", events=folder / "events", landing=self.landing,
            secret="a secret", demand_keys=demand_keys,
        )  # fmt: skip
        app.add_middleware(Counting, asked=self.asked)
        app.add_route("/v1/brief", brief)
        app.add_route("/v1/together", Together().page)
        self._running = ExitStack()
        self.url = str(self._running.enter_context(over_http(app)).base_url)

    def kill(self) -> None:
        self._running.close()


async def brief(_: Request) -> Response:
    """Like a card, that may be kept for a minute, but for a second."""
    return Response("brief", headers={"Cache-Control": "public, max-age=1"})


class Together:
    """Like a page, that nobody may keep; it is there once TOGETHER wait for it."""

    def __init__(self) -> None:
        self._all = asyncio.Barrier(TOGETHER)

    async def page(self, _: Request) -> Response:
        async with asyncio.timeout(5):
            await self._all.wait()
        return Response("page", headers={"Cache-Control": "no-cache"})


@pytest.fixture
def origin(server_url: str, tmp_path: Path) -> Iterator[Origin]:
    made = Origin(server_url, tmp_path)
    yield made
    made.kill()


@pytest.fixture
def edges(origin: Origin, tmp_path: Path) -> Iterator[list[httpx.Client]]:
    with edge(tmp_path / "a", origin.url) as a, edge(tmp_path / "b", origin.url) as b:
        yield [a, b]


async def play(port: int, files: dict[str, bytes]) -> None:
    """Fetch a clip over one connection, as a browser does; httpx would take most of the test's time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for path in CLIP:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: edge\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 200") and f"content-length: {len(files[path])}\r\n" in head, head
        assert await reader.readexactly(len(files[path])) == files[path]
    writer.close()


def crowd(edges: list[httpx.Client], files: dict[str, bytes], clients: int) -> None:
    """So many clients at once, each at one of the edges."""

    async def all_of_them() -> None:
        ports = [edges[n % len(edges)].base_url.port for n in range(clients)]
        await asyncio.gather(*(play(port, files) for port in ports if port))

    asyncio.run(all_of_them())


def test_500_clients_of_a_new_clip_cost_the_endpoint_one_fetch_of_each_file_for_each_edge(
    edges: list[httpx.Client], origin: Origin
) -> None:
    crowd(edges, origin.files, CLIENTS)
    assert origin.asked == dict.fromkeys(CLIP, len(edges))


def test_who_asks_at_once_for_what_is_not_kept_waits_for_nobody(edges: list[httpx.Client], origin: Origin) -> None:
    gone = "/media/gone/master.m3u8"

    async def ask(path: str) -> list[int]:
        async with httpx.AsyncClient(base_url=edges[0].base_url) as client:
            return [answer.status_code for answer in await asyncio.gather(*map(client.get, [path] * TOGETHER))]

    assert asyncio.run(ask("/v1/together")) == [200] * TOGETHER
    assert asyncio.run(ask(gone)) == [404] * TOGETHER and origin.asked[gone] == 1


def test_whatever_a_file_is_called_it_is_one_file(edges: list[httpx.Client], origin: Origin) -> None:
    for address in (f"/player/%2e%2e{CLIP[0]}", f"/{CLIP[0]}", f"{CLIP[0]}?a=b", CLIP[0]):
        answer = edges[0].get(str(edges[0].base_url) + address)
        assert (answer.status_code, answer.content) == (200, origin.files[CLIP[0]])
    assert origin.asked == {CLIP[0]: 1}


def test_a_file_that_was_made_again_goes_on_where_it_was(
    edges: list[httpx.Client], origin: Origin, tmp_path: Path
) -> None:
    assert edges[0].get(LARGE, headers={"Range": "bytes=0-9"}).status_code == 206
    os.utime(tmp_path / LARGE.removeprefix("/"), (0, 0))
    assert edges[0].get(LARGE).content == origin.files[LARGE]


def test_what_an_edge_has_plays_on_when_the_endpoint_is_killed(edges: list[httpx.Client], origin: Origin) -> None:
    crowd(edges, origin.files, 2)
    assert edges[0].get("/v1/brief").headers["x-cache"] == "MISS"
    origin.kill()
    crowd(edges, origin.files, 20)
    time.sleep(2.1)  # nginx counts in seconds
    stale = edges[0].get("/v1/brief")
    assert (stale.status_code, stale.text, stale.headers["x-cache"]) == (200, "brief", "STALE")
    assert edges[0].get(LARGE).status_code == edges[0].get("/v1/feed/ann").status_code == 502


def test_a_range_costs_the_pieces_that_it_touches_once(edges: list[httpx.Client], origin: Origin) -> None:
    client, content = edges[0], origin.files[LARGE]
    for first, last in ((1_000_000, 1_100_000), (1_048_576, 1_048_576)):
        answer = client.get(LARGE, headers={"Range": f"bytes={first}-{last}"})
        assert (answer.status_code, answer.content) == (206, content[first : last + 1])
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{LARGE_BYTES}"
    assert origin.asked[LARGE] == 2
    whole = client.get(LARGE)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, content, "video/iso.segment")
    assert "immutable" in whole.headers["cache-control"] and origin.asked[LARGE] == 3
    assert client.get(LARGE, headers={"Range": "bytes=9999999-"}).status_code == 416


def signed(folder: str, until: int, secret: str) -> str:
    """As docs/containers.md says."""
    mark = hashlib.md5(f"{until} {folder} {secret}".encode(), usedforsecurity=False).digest()
    return f"/signed/{until}/{urlsafe_b64encode(mark).decode().rstrip('=')}/{folder}"


def test_with_a_secret_media_are_handed_out_by_signed_links_alone(
    edges: list[httpx.Client], origin: Origin, tmp_path: Path
) -> None:
    soon, past = int(time.time()) + 60, int(time.time()) - 60
    with edge(tmp_path / "shut", origin.url, secret="a word: of ours") as client:
        link = signed("new", soon, "a word: of ours")
        for path in CLIP:
            answer = client.get(path.replace("/media/new", link))
            assert (answer.status_code, answer.content) == (200, origin.files[path])
            assert answer.headers["cache-control"].startswith("private")
        # They share what is kept, and nothing else: neither the address without a mark, nor that of another folder.
        again = client.get(CLIP[0].replace("/media/new", signed("new", soon + 1, "a word: of ours")))
        assert (again.status_code, again.headers["x-cache"]) == (200, "HIT")
        assert client.get(CLIP[0]).status_code == client.get(f"{link[:-3]}old/master.m3u8").status_code == 403
        assert client.get(f"{signed('new', soon, 'guessed')}/master.m3u8").status_code == 403
        assert client.get(f"{signed('new', past, 'a word: of ours')}/master.m3u8").status_code == 410
        assert client.get("/v1/brief").status_code == 200
    assert edges[0].get(f"{signed('new', soon, '')}/master.m3u8").status_code == 404


def test_a_clip_is_uploaded_through_an_edge_in_pieces_and_what_comes_before_the_connection_breaks_is_kept(
    edges: list[httpx.Client], origin: Origin
) -> None:
    client, content = edges[0], origin.files[LARGE]
    address = begun(client, length=len(content))
    with connected(client, address, content[:2_000_000], length=len(content)):
        wait(lambda: offset(client, address) > 0)
    wait(lambda: send(client, address, b"", at=offset(client, address)).status_code == 204)
    here = offset(client, address)
    assert send(client, address, content[here:], here).status_code == 204
    (line,) = lines(origin.landing)
    assert (origin.landing / line["media_file"]).read_bytes() == content
    assert client.get(address).json()["status"] == "waiting"


def test_what_an_edge_keeps_for_a_key_is_not_for_who_has_none(server_url: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(server_url) as writer:
        key = {"Authorization": f"Bearer {api_keys.create(writer, 'app', api_keys.Scope, 100)[1]}"}
    origin = Origin(server_url, tmp_path, demand_keys=True)
    try:
        with edge(tmp_path / "a", origin.url) as client:
            assert client.get("/v1/brief", headers=key).headers["x-cache"] == "MISS"
            assert client.get("/v1/brief", headers=key).headers["x-cache"] == "HIT"
            assert client.get("/v1/brief").status_code == 401
            assert client.get("/v1/brief", headers={"Authorization": "Bearer rm_a_b"}).status_code == 401
    finally:
        origin.kill()
