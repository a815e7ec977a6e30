"""A proxy between the endpoint and Redis that does to their connection what networks do.

Belongs here: the proxy. What the endpoint makes of it: test_feed_store_redis_away.py.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from urllib.parse import urlsplit


class Fault(StrEnum):
    """What the proxy does. NONE hands on everything."""

    NONE = "none"
    REFUSE = "refuse"
    HANG = "hang"
    CUT = "cut in mid-reply"
    GARBAGE = "garbage"
    SWAP = "the reply to another question"
    SLOW = "slow"


class Proxy:
    """Hands on between a port of its own and a Redis, unless `fault` says otherwise; may be changed at any time."""

    def __init__(self, redis_url: str) -> None:
        place = urlsplit(redis_url)
        self.fault = Fault.NONE
        self.slow_s = 0.4
        self._redis = place.hostname or "", place.port or 6379
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._port = 0
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def set(self, fault: Fault) -> None:
        asyncio.run_coroutine_threadsafe(self._set(fault), self._loop).result(10)

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _set(self, fault: Fault) -> None:
        self.fault = fault
        if fault is Fault.REFUSE:
            await self._stop()
        elif self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0.05)  # those who served them notice

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        redis_reader, redis_writer = await asyncio.open_connection(*self._redis)
        self._open |= {writer, redis_writer}
        try:
            asking = asyncio.create_task(self._hand_on(reader, redis_writer))
            await self._answer(redis_reader, writer)
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking
        finally:
            self._open -= {writer, redis_writer}
            writer.transport.abort()
            redis_writer.transport.abort()

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 20):
                match self.fault:
                    case Fault.HANG:
                        continue
                    case Fault.CUT:
                        writer.write(data[: len(data) // 2])
                        await writer.drain()
                        return
                    case Fault.GARBAGE:
                        data = bytes(reversed(data))
                    case Fault.SWAP:
                        data = b"$5\r\nother\r\n" + data
                    case Fault.SLOW:
                        await asyncio.sleep(self.slow_s)
                writer.write(data)
