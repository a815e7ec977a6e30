"""One connection to Redis that all requests of a process share, and that never keeps one of them waiting for long.

Belongs here: sending commands, matching replies to who waits for them, noticing that Redis is away, and coming back.
What is asked: reader.py and trending.py. What is answered meanwhile: strangers.py.

Commands go out as they come and replies come back in that order, so that many requests share one read of the socket. A
pipeline of redis-py takes a connection for each request and most of a page's time (docs/decisions/0039): here it only
opens the connection, with all that an address may say of TLS, passwords and databases.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self, cast

import hiredis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

# Who waits does so in front of a person: a page without Redis is to be there within 300 ms. Redis answers within one.
PATIENCE_S = 0.2
# How long Redis is not asked after it did not answer in time: people are back in their own feeds within a second.
AGAIN_S = 0.5
# How often somebody looks whether the oldest question has waited too long. Waiting is counted in looks rather than by a
# clock, since replies are read between two of them: a process that stood still itself blames nobody.
_LOOKS = 5

# For a connection and for each word of its opening, which nobody waits for: with TLS, from far away, it takes a while.
_CONNECT_S = 1.0

Word = str | bytes | int
_log = logging.getLogger(__name__)


class Away(RedisConnectionError):
    """Redis does not answer, or something else does."""


class Script:
    """A script of Redis, which is sent whole only to a server that does not have it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Packed(NamedTuple):
    """So many commands as they go over the wire."""

    text: bytes
    many: int

    @classmethod
    def of(cls, commands: Sequence[tuple[Word, ...]]) -> Packed:
        return cls(b"".join(map(hiredis.pack_command, commands)), len(commands))  # type: ignore[arg-type]  # its stub says one word


class Wire:
    """Asks Redis. Safe to share between requests of one loop; an asynchronous context that stays connected while open.

    Raises Away at once while that is so, and after `patience_s` where Redis does not answer.
    """

    def __init__(self, url: str, patience_s: float = PATIENCE_S) -> None:
        self._pool = redis.asyncio.ConnectionPool.from_url(
            url,
            protocol=2,
            socket_timeout=_CONNECT_S,
            socket_connect_timeout=_CONNECT_S,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
        self._patience_s = patience_s
        self._link: _Link | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        with suppress(RedisError, OSError):  # it may come back later
            self._link = await self._connect()
        self._keeping = asyncio.create_task(self._keep_connected())
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._keeping is not None
        self._keeping.cancel()
        with suppress(asyncio.CancelledError):
            await self._keeping
        if self._link is not None:
            self._link.drop("this process ends")

    async def ask(self, *command: Word) -> Any:
        """The reply to one command, texts as bytes. Raises redis.ResponseError where Redis refuses it."""
        (reply,) = await self.replies([command])
        return _taken(reply)

    async def ask_all(self, commands: Sequence[tuple[Word, ...]]) -> list[Any]:
        """The replies to commands that go out together. Raises redis.ResponseError where Redis refuses one of them."""
        return [_taken(reply) for reply in await self.replies(commands)]

    async def replies(self, commands: Sequence[tuple[Word, ...]]) -> list[Any]:
        """The same, with a hiredis.ReplyError in the place of what Redis refuses."""
        if self._link is None:
            raise Away("Redis is away")
        return await self._link.send(*Packed.of(commands))

    async def run(self, script: Script, keys: tuple[str, ...], *words: Word) -> Any:
        """What a script answers."""
        try:
            return await self.ask("EVALSHA", script.sha, len(keys), *keys, *words)
        except ResponseError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
            return await self.ask("EVAL", script.text, len(keys), *keys, *words)

    async def run_among(
        self, script: Script, keys: tuple[str, ...], words: tuple[Word, ...], others: Packed
    ) -> list[Any]:
        """As `replies`, first what a script answers, and then the replies to commands that go out with it."""
        if self._link is None:
            raise Away("Redis is away")
        packed = Packed.of([("EVALSHA", script.sha, len(keys), *keys, *words)])
        replies = await self._link.send(packed.text + others.text, 1 + others.many)
        if isinstance(replies[0], hiredis.ReplyError) and str(replies[0]).startswith("NOSCRIPT"):
            replies = await self.replies((("EVAL", script.text, len(keys), *keys, *words),)) + replies[1:]
        return replies

    def distrust(self, why: str) -> None:
        """Drop the connection: a reply was not one to what had been asked, so that none of it can be believed."""
        if self._link is not None:
            self._link.drop(why)

    async def _connect(self) -> _Link:
        connection = cast(AbstractConnection, self._pool.make_connection())  # type: ignore[no-untyped-call]
        await connection.connect()  # type: ignore[no-untyped-call]
        link = _Link(connection, self._patience_s)
        # A server that takes connections and answers nothing is away too.
        try:
            if await link.send(hiredis.pack_command(("PING",)), 1) != [b"PONG"]:
                raise Away("what listens there is not Redis")
        except BaseException:  # also where this process ends meanwhile: else the connection would stay open
            link.drop("its answer to PING is not PONG")
            raise
        return link

    async def _keep_connected(self) -> None:
        while True:
            try:
                if self._link is None:
                    self._link = await self._connect()
                    _log.warning("Redis answers again")
                why = await self._link.lost
                self._link = None
                _log.warning("%s; asking it again", why)
            except (RedisError, OSError):
                pass
            except Exception:  # whatever it is, nobody else would connect again
                _log.exception("cannot connect to Redis; trying again")
            await asyncio.sleep(AGAIN_S)


def _taken(reply: Any) -> Any:
    if isinstance(reply, hiredis.ReplyError):
        raise ResponseError(str(reply))
    return reply


class _Waiting(NamedTuple):
    """Who waits for `many` replies, since which look, and those that have come."""

    since: int
    many: int
    replies: list[Any]
    future: asyncio.Future[list[Any]]


class _Link(asyncio.Protocol):
    """One connection: who waits for what on it. `lost` ends with it, and says why."""

    def __init__(self, connection: AbstractConnection, patience_s: float) -> None:
        # redis-py has no public way to give away the socket that it opened.
        assert connection._writer is not None
        self._opened = connection._writer  # kept: it would close the socket when nobody knew it any more
        connection._reader = connection._writer = None
        self._transport = self._opened.transport
        self._transport.set_protocol(self)
        self._loop = asyncio.get_running_loop()
        self._every_s = patience_s / _LOOKS
        self._replies = hiredis.Reader()
        self._waiting: deque[_Waiting] = deque()
        self._unsent: list[bytes] = []
        self._looks = 0
        self._looking: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[str] = self._loop.create_future()

    def send(self, packed: bytes, many: int) -> asyncio.Future[list[Any]]:
        """The replies to so many commands."""
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        if self.lost.done():
            future.set_exception(Away("Redis is away"))
            return future
        self._waiting.append(_Waiting(self._looks, many, [], future))
        # Written when all requests that have come by now have been looked at: a write is a system call.
        if not self._unsent:
            self._loop.call_soon(self._write)
        self._unsent.append(packed)
        if self._looking is None:
            self._looking = self._loop.call_later(self._every_s, self._look)
        return future

    def _write(self) -> None:
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def data_received(self, data: bytes) -> None:
        try:
            self._replies.feed(data)
            while (reply := self._replies.gets()) is not False:
                waiting = self._waiting[0]
                waiting.replies.append(reply)
                if len(waiting.replies) < waiting.many:
                    continue
                self._waiting.popleft()
                if not waiting.future.done():  # else its client has left
                    waiting.future.set_result(waiting.replies)
        except (hiredis.HiredisError, IndexError):  # not a reply, or nobody has asked
            self.drop("what came is not Redis' answer")

    def connection_lost(self, error: Exception | None) -> None:
        self._end(f"Redis ended the connection{f': {error}' if error else ''}")

    def drop(self, why: str) -> None:
        self._end(why)
        self._transport.abort()

    def _look(self) -> None:
        self._looks += 1
        self._looking = None
        if self._waiting and self._looks - self._waiting[0].since >= _LOOKS:
            self.drop("Redis does not answer in time")
        elif self._waiting:
            self._looking = self._loop.call_later(self._every_s, self._look)

    def _end(self, why: str) -> None:
        if self.lost.done():
            return
        self.lost.set_result(why)
        if self._looking is not None:
            self._looking.cancel()
        while self._waiting:
            future = self._waiting.popleft().future
            if not future.done():
                future.set_exception(Away(why))
