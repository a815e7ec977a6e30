"""Media from a bucket are handed out as those from a folder."""

import asyncio
from typing import Any

import httpx
import pytest
from obstore.exceptions import PermissionDeniedError
from obstore.store import MemoryStore
from starlette.applications import Starlette
from starlette.routing import Mount

from serving import media
from serving.media import MediaObjects


def test_an_object_has_its_type_is_kept_for_ever_and_is_sent_once() -> None:
    objects = MemoryStore()
    objects.put("ab12/master.m3u8", b"#EXTM3U\n")
    objects.put(".work/half.m4s", b"half")
    app = Starlette(routes=[Mount("/media", MediaObjects(objects))])

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here/media") as client:
            answer = await client.get("/ab12/master.m3u8")
            assert (answer.content, answer.headers["content-type"]) == (b"#EXTM3U\n", "application/vnd.apple.mpegurl")
            assert "immutable" in answer.headers["cache-control"] and answer.headers["content-length"] == "8"
            assert (await client.head("/ab12/master.m3u8")).content == b""
            again = await client.get("/ab12/master.m3u8", headers={"If-None-Match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            for path in ("/nope.jpg", "/.work/half.m4s", "/"):
                assert (await client.get(path)).status_code == 404
            assert (await client.post("/ab12/master.m3u8")).status_code == 405

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("asked", "status", "content", "content_range"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=8-50", 206, b"89", "bytes 8-9/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=20-30", 416, None, "bytes */10"),
        ("bytes=4-2", 200, b"0123456789", None),
        ("bytes=-0", 200, b"0123456789", None),
        ("bytes=1-2,4-5", 200, b"0123456789", None),
        ("bytes=2-99999999999999999999", 200, b"0123456789", None),
        ("words=1-2", 200, b"0123456789", None),
    ],
)
def test_a_part_of_an_object_is_a_part(
    asked: str, status: int, content: bytes | None, content_range: str | None
) -> None:
    objects = MemoryStore()
    objects.put("ab12/000.m4s", b"0123456789")
    app = Starlette(routes=[Mount("/media", MediaObjects(objects))])

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here/media") as client:
            answer = await client.get("/ab12/000.m4s", headers={"Range": asked})
            assert (answer.status_code, answer.headers.get("content-range")) == (status, content_range)
            assert content is None or (answer.content, answer.headers["content-length"]) == (content, str(len(content)))
            assert (await client.get("/ab12/nope.m4s", headers={"Range": asked})).status_code == 404
            assert (await client.head("/ab12/000.m4s", headers={"Range": asked})).headers["content-length"] == "10"

    asyncio.run(ask())


class Refusing(MemoryStore):
    """A bucket whose keys are wrong."""

    async def head_async(self, path: str) -> Any:
        raise PermissionDeniedError(path)


class Silent(MemoryStore):
    """A bucket that does not answer."""

    async def head_async(self, path: str) -> Any:
        await asyncio.sleep(60)


def test_a_bucket_says_what_keeps_it_from_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "_LOOK_S", 0.05)
    said = [asyncio.run(MediaObjects(objects()).why_unreadable()) for objects in (MemoryStore, Refusing, Silent)]
    answered = "the bucket answered with PermissionDeniedError"
    assert said == [None, answered, "the bucket did not answer within 0.05 s"]


class Described:
    """A bucket of which nothing is read."""

    def __init__(self, objects: MemoryStore) -> None:
        self.head_async = objects.head_async


def test_who_asks_about_an_object_hears_what_who_fetches_it_does_and_nothing_is_read_for_it() -> None:
    objects = MemoryStore()
    objects.put("ab12/000.m4s", b"0123456789")
    asked: Any = Described(objects)
    app = Starlette(routes=[Mount("/media", MediaObjects(objects)), Mount("/asked", MediaObjects(asked))])

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            about = await client.head("/asked/ab12/000.m4s")
            assert (about.status_code, about.content) == (200, b"")
            assert about.headers == (await client.get("/media/ab12/000.m4s")).headers
            known = {"If-None-Match": about.headers["etag"]}
            assert (await client.head("/asked/ab12/000.m4s", headers=known)).status_code == 304
            assert (await client.head("/asked/nope.m4s")).status_code == 404

    asyncio.run(ask())
