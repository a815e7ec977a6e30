"""The Redis layout of feeds and videos: every key that the endpoint reads is written here and read here.

Belongs here: key names, how long a key lives, how a version is staged, counted, made current and rolled back.
What a feed contains: jobs/feeds. What a cursor looks like on the wire: cursor.py. HTTP: feeds.py.

    feed:current                    string   "<generation> <version>": THE pointer, moved in one command
    feed:<generation>:u:<user_id>   list     one user's feed in order, every slot an encoded JSON object
    feed:<generation>:fallback      list     what a user without a feed of their own gets
    feed:version:<version>          string   "<generation> <number of users>" of a committed version, for rollback
    feed:staging:<version>          string   the generation that is being written and that no reader sees
    video:<video_id>                string   the encoded JSON object of one published video

A generation is one attempt to publish a version, under a random name. So a publish that is killed, repeated or late can
never touch what readers are reading, and a cursor that pins a generation sees immutable lists. Every key has a TTL:
what is current outlives a week of failed nights, what was current outlives every open page.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Self, cast

import orjson
import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

CURRENT_TTL_S = 7 * 86_400
RETIRED_TTL_S = 2 * 86_400
VIDEO_TTL_S = CURRENT_TTL_S + RETIRED_TTL_S  # any video in a feed that can still be read can be read itself
MAX_SLOTS = 500
_CHUNK = 200  # users or videos per round trip: some MB of commands, well under Redis' query buffer
_SCAN_COUNT = 5_000
_POINTER = "feed:current"

Slot = Mapping[str, object]


class FeedStoreError(Exception):
    """Something about feeds in Redis that the caller has to act on; the text says what and where."""


class NothingStaged(FeedStoreError):
    """`begin` was not called for this version, or what it staged has expired."""


class EmptyPublish(FeedStoreError):
    """A publish without users, without a fallback or with an empty feed: an upstream failure, not a small world."""


class IncompletePublish(FeedStoreError):
    """Redis holds another number of feeds than the job says it wrote."""


class UnknownVersion(FeedStoreError):
    """No committed version of that name is still held."""


class NoFeedPublished(FeedStoreError):
    """No version is current, so there is nothing to serve."""


class FeedExpired(FeedStoreError):
    """The pinned generation is gone: its TTL passed between two pages."""


def _encode(value: Mapping[str, object]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_SERIALIZE_NUMPY)


def _feed_key(generation: str, user_id: str) -> str:
    return f"feed:{generation}:u:{user_id}"


def _fallback_key(generation: str) -> str:
    return f"feed:{generation}:fallback"


class _Pointer(NamedTuple):
    generation: str
    version: str

    @classmethod
    def parse(cls, raw: bytes) -> _Pointer:
        generation, _, version = raw.decode().partition(" ")
        return cls(generation, version)

    def text(self) -> str:
        return f"{self.generation} {self.version}"


class FeedStore:
    """Writes versions of feeds. `begin`, then `write_*` in any order, then `commit`; readers see all of it or none.

    Several stores may write the same staged version at once (one per Spark partition): the staging lives in Redis.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis: redis.Redis = redis.Redis.from_url(redis_url, socket_timeout=60, socket_connect_timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._redis.close()

    def begin(self, version: str) -> None:
        """Open a staging area for `version` that no reader sees, dropping what a killed publish of it left behind."""
        abandoned = cast(bytes | None, self._redis.get(f"feed:staging:{version}"))
        if abandoned is not None:
            for keys in self._keys_of(abandoned.decode()):
                self._redis.unlink(*keys)
        self._redis.set(f"feed:staging:{version}", secrets.token_hex(6), ex=RETIRED_TTL_S)

    def write_feeds(self, version: str, feeds: Iterable[tuple[str, Sequence[Slot]]]) -> int:
        """Stage one feed per user, in order, at most MAX_SLOTS slots each; returns how many were written.

        Writing a user again in the same attempt replaces their feed. Raises EmptyPublish for a feed without slots.
        """
        generation = self._staged(version)
        return self._write_lists((_feed_key(generation, user_id), slots) for user_id, slots in feeds)

    def write_fallback(self, version: str, slots: Sequence[Slot]) -> None:
        """Stage the feed for strangers."""
        self._write_lists([(_fallback_key(self._staged(version)), slots)])

    def write_videos(self, videos: Iterable[Mapping[str, object]]) -> int:
        """Write what `GET /v1/videos/{video_id}` answers, by their `video_id`; returns how many.

        Not versioned: a video says the same in every feed, and counters may be refreshed between publishes.
        """
        written = 0
        rest = iter(videos)
        while chunk := list(islice(rest, _CHUNK)):
            with self._redis.pipeline(transaction=False) as pipe:
                for video in chunk:
                    pipe.set(f"video:{video['video_id']}", _encode(video), ex=VIDEO_TTL_S)
                pipe.execute()
            written += len(chunk)
        return written

    def commit(self, version: str, expected_users: int) -> None:
        """Make the staged `version` current if it holds exactly `expected_users` feeds, or none, and a fallback.

        The pointer moves in one transaction; the version before it lives on for RETIRED_TTL_S, so that open pages go
        on and `rollback` has somewhere to go. On any error the pointer stays where it was.
        """
        generation = self._staged(version)
        if not self._redis.exists(_fallback_key(generation)):
            raise EmptyPublish(f"feed version {version} has no fallback feed: call write_fallback before commit")
        users = self._keep(generation, CURRENT_TTL_S)
        if users != expected_users:
            raise IncompletePublish(
                f"feed version {version} should hold {expected_users} feeds and Redis holds {users}: "
                "it stays unpublished; publish it again"
            )
        self._move_pointer(_Pointer(generation, version), users)

    def rollback(self, version: str) -> None:
        """Make a version current again that was committed before. Raises UnknownVersion or IncompletePublish."""
        raw = cast(bytes | None, self._redis.get(f"feed:version:{version}"))
        if raw is None:
            raise UnknownVersion(f"no feed version {version} is held; held: {', '.join(self.versions()) or 'none'}")
        generation, users = raw.decode().split(" ")
        held = self._keep(generation, CURRENT_TTL_S)
        if held != int(users):
            raise IncompletePublish(
                f"feed version {version} had {users} feeds and {held} are left: the others have expired; "
                "publish it again instead of rolling back"
            )
        self._move_pointer(_Pointer(generation, version), held)

    def current_version(self) -> str | None:
        """The version that readers get, or None before the first commit."""
        pointer = self._pointer()
        return pointer.version if pointer else None

    def versions(self) -> list[str]:
        """Every version that can be made current by `rollback`, the current one included, sorted."""
        prefix = "feed:version:"
        keys = self._redis.scan_iter(match=f"{prefix}*", count=_SCAN_COUNT)
        return sorted({key.decode().removeprefix(prefix) for key in keys})

    def memory_per_user(self, sample: int = 200) -> float:
        """Bytes of Redis memory that one user's feed in the current version takes: key, list and overhead.

        The mean of up to `sample` users. Raises NoFeedPublished.
        """
        pointer = self._pointer()
        if pointer is None:
            raise NoFeedPublished("no feed version is current, so there is no feed to measure")
        keys = list(islice((key for chunk in self._user_keys(pointer.generation) for key in chunk), sample))
        with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.memory_usage(key, samples=0)
            sizes = [size for size in pipe.execute() if size is not None]
        return sum(sizes) / len(sizes) if sizes else 0.0

    def _staged(self, version: str) -> str:
        generation = cast(bytes | None, self._redis.get(f"feed:staging:{version}"))
        if generation is None:
            raise NothingStaged(f"nothing is staged for feed version {version}: call begin({version!r}) first")
        return generation.decode()

    def _pointer(self) -> _Pointer | None:
        raw = cast(bytes | None, self._redis.get(_POINTER))
        return _Pointer.parse(raw) if raw is not None else None

    def _write_lists(self, lists: Iterable[tuple[str, Sequence[Slot]]]) -> int:
        written = 0
        rest = iter(lists)
        while chunk := list(islice(rest, _CHUNK)):
            # One transaction: a connection lost between RPUSH and EXPIRE would leave a list that never goes away.
            with self._redis.pipeline(transaction=True) as pipe:
                for key, slots in chunk:
                    if not slots:
                        raise EmptyPublish(f"the feed for {key} has no slots: leave such a user to the fallback feed")
                    pipe.delete(key)
                    pipe.rpush(key, *(_encode(slot) for slot in slots[:MAX_SLOTS]))
                    pipe.expire(key, RETIRED_TTL_S)
                pipe.execute()
            written += len(chunk)
        return written

    def _move_pointer(self, to: _Pointer, users: int) -> None:
        before = self._pointer()
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(_POINTER, to.text(), ex=CURRENT_TTL_S)
            pipe.set(f"feed:version:{to.version}", f"{to.generation} {users}", ex=CURRENT_TTL_S)
            pipe.delete(f"feed:staging:{to.version}")
            pipe.execute()
        # Killed here, the version before keeps its long TTL: memory for some days, never a wrong feed.
        if before is not None and before.generation != to.generation:
            self._keep(before.generation, RETIRED_TTL_S)
            if before.version != to.version:
                self._redis.expire(f"feed:version:{before.version}", RETIRED_TTL_S)

    def _keep(self, generation: str, seconds: int) -> int:
        """Give every key of a generation `seconds` to live; returns how many users' feeds it holds."""
        users: set[bytes] = set()  # SCAN may name a key twice
        for keys in self._user_keys(generation):
            with self._redis.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.expire(key, seconds)
                users.update(key for key, exists in zip(keys, pipe.execute(), strict=True) if exists)
        self._redis.expire(_fallback_key(generation), seconds)
        return len(users)

    def _user_keys(self, generation: str) -> Iterator[list[bytes]]:
        return self._scan(_feed_key(generation, "*"))

    def _keys_of(self, generation: str) -> Iterator[list[bytes]]:
        return self._scan(f"feed:{generation}:*")

    def _scan(self, pattern: str) -> Iterator[list[bytes]]:
        cursor = 0
        while True:
            cursor, keys = cast("tuple[int, list[bytes]]", self._redis.scan(cursor, match=pattern, count=_SCAN_COUNT))
            if keys:
                yield keys
            if cursor == 0:
                return


class Page(NamedTuple):
    """Consecutive slots of one feed, as stored. `start` is the 0-based position of the first of them."""

    generation: str
    version: str
    is_fallback: bool
    start: int
    slots: list[bytes]
    has_more: bool


class FeedReader:
    """Reads feeds for the endpoint: one round trip a page, no decoding. Safe to share between requests of one loop.

    Raises redis.RedisError when Redis does not answer within seconds.
    """

    def __init__(self, redis_url: str) -> None:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            redis_url,
            max_connections=64,
            timeout=2,
            socket_timeout=2,
            socket_connect_timeout=1,
            retry=Retry(ConstantBackoff(0.05), 1),  # a reader waits in front of a person: fail fast, they retry
        )
        self._redis = redis.asyncio.Redis(connection_pool=pool)
        self._guess = _Pointer("", "")
        self._fallback: tuple[str, list[bytes]] = ("", [])

    async def close(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def current_version(self) -> str:
        """The version that readers get. Raises NoFeedPublished."""
        return self._moved_to(await self._redis.get(_POINTER)).version

    async def first_page(self, user_id: str, limit: int) -> Page:
        """The first `limit` slots of the current version; the fallback's for a stranger. Raises NoFeedPublished.

        The pointer and the list under the last known pointer are read together. Only right after a publish do they
        disagree, and then the list is read again under the new one.
        """
        guess = self._guess
        pipe = self._redis.pipeline(transaction=False)
        pipe.get(_POINTER)
        pipe.lrange(_feed_key(guess.generation, user_id), 0, limit)
        raw, slots = await pipe.execute()
        pointer = self._moved_to(raw)
        if pointer != guess:
            slots = await self._range(_feed_key(pointer.generation, user_id), 0, limit)
        if slots:
            return _page(pointer, is_fallback=False, start=0, slots=slots, limit=limit)
        return await self._fallback_page(pointer, 0, limit)

    async def next_page(
        self, generation: str, version: str, user_id: str, *, is_fallback: bool, start: int, limit: int
    ) -> Page:
        """Slots from `start` on, of the generation that a cursor pins. Raises FeedExpired."""
        pointer = _Pointer(generation, version)
        if is_fallback:
            return await self._fallback_page(pointer, start, limit)
        slots = await self._range(_feed_key(generation, user_id), start, start + limit)
        if not slots:  # a cursor is only given out when more follows
            raise FeedExpired(f"feed version {version} is no longer held")
        return _page(pointer, is_fallback=False, start=start, slots=slots, limit=limit)

    async def video(self, video_id: str) -> bytes | None:
        """The encoded JSON object of one video, or None."""
        return cast(bytes | None, await self._redis.get(f"video:{video_id}"))

    def _moved_to(self, raw: bytes | None) -> _Pointer:
        if raw is None:
            raise NoFeedPublished("no feed version has been published yet")
        self._guess = _Pointer.parse(raw)
        return self._guess

    async def _fallback_page(self, pointer: _Pointer, start: int, limit: int) -> Page:
        # Immutable and the same for every stranger, so it is kept in memory: strangers cost one round trip as well.
        if self._fallback[0] != pointer.generation:
            slots = await self._range(_fallback_key(pointer.generation), 0, -1)
            if not slots:
                raise FeedExpired(f"feed version {pointer.version} is no longer held")
            self._fallback = (pointer.generation, slots)
        slots = self._fallback[1][start : start + limit + 1]
        return _page(pointer, is_fallback=True, start=start, slots=slots, limit=limit)

    async def _range(self, key: str, start: int, stop: int) -> list[bytes]:
        return cast("list[bytes]", await self._redis.lrange(key, start, stop))  # type: ignore[misc]


def _page(pointer: _Pointer, *, is_fallback: bool, start: int, slots: list[bytes], limit: int) -> Page:
    """`slots` holds one more than `limit` when more follows."""
    return Page(pointer.generation, pointer.version, is_fallback, start, slots[:limit], len(slots) > limit)
