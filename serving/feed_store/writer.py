"""Writes versions of feeds: staged unseen, counted, made current at once, rolled back.

Belongs here: how a version is staged, counted, made current and let go. What the keys are: layout.py. The values of
single videos: cards.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Self, cast

import redis
from redis.client import Pipeline

from serving.feed_store import cards, refused
from serving.feed_store.layout import (
    CHUNK,
    LEAVING,
    MAX_SLOTS,
    POINTER,
    RETIRED_TTL_S,
    EmptyPublish,
    IncompletePublish,
    NoFeedPublished,
    NothingStaged,
    OlderNight,
    Pointer,
    UnknownVersion,
    encode_slot,
    fallback_key,
    feed_key,
    night_of,
    staging_key,
    version_key,
)

_SCAN_COUNT = 5_000


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
        abandoned = cast(bytes | None, self._redis.get(staging_key(version)))
        if abandoned is not None:
            for keys in self._keys_of(abandoned.decode()):
                self._redis.unlink(*keys)
        self._redis.set(staging_key(version), secrets.token_hex(6), ex=RETIRED_TTL_S)

    def write_feeds(self, version: str, feeds: Iterable[tuple[str, Sequence[Mapping[str, object]]]]) -> int:
        """Stage one feed per viewer, in order, at most MAX_SLOTS slots each; returns how many were written.

        Writing a viewer again in the same attempt replaces their feed. Raises EmptyPublish for a feed without slots.
        """
        generation = self._staged(version)
        return self._write_lists((feed_key(generation, viewer_id), slots) for viewer_id, slots in feeds)

    def write_fallback(self, version: str, slots: Sequence[Mapping[str, object]]) -> None:
        """Stage the feed for strangers."""
        self._write_lists([(fallback_key(self._staged(version)), slots)])

    def refuse(self, refusals: Iterable[tuple[str, str]]) -> None:
        """Show these viewers (first) these videos (second) no more."""
        rest = iter(refusals)
        while chunk := list(islice(rest, CHUNK)):
            with self._redis.pipeline(transaction=False) as pipe:
                for script, key, video_ids in refused.remembering(chunk):
                    pipe.eval(script.text, 1, key, *video_ids)
                pipe.execute()

    def write_videos(self, videos: Iterable[tuple[Mapping[str, object], date]]) -> int:
        """Write what `GET /v1/videos/{video_id}` answers, by their `video_id`, each with the night that it is of.

        Not versioned: a video says the same in every feed. What a newer night wrote stays. Returns how many.
        """
        return cards.write(self._redis, videos)

    def is_older(self, version: str) -> bool:
        """Whether this version is of an earlier night than the current one."""
        pointer = self._pointer()
        return pointer is not None and _is_older(version, pointer.version)

    def commit(self, version: str, expected_viewers: int, *, back: bool = False) -> None:
        """Make the staged `version` current if it holds exactly `expected_viewers` feeds, or none, and a fallback.

        The pointer moves in one transaction; the version before it lives on for RETIRED_TTL_S, so that open pages go
        on and `rollback` has somewhere to go. On any error the pointer stays where it was. Raises OlderNight for a
        version of an earlier night than the current one, unless it is to go `back`.
        """
        generation = self._staged(version)
        if not self._redis.exists(fallback_key(generation)):
            raise EmptyPublish(f"feed version {version} has no fallback feed: call write_fallback before commit")
        viewers = self._hold(generation)
        if viewers != expected_viewers:
            self._let_go()
            raise IncompletePublish(
                f"feed version {version} should hold {expected_viewers} feeds and Redis holds {viewers}: "
                "it stays unpublished; publish it again"
            )
        self._move_pointer(Pointer(generation, version), viewers, back=back)

    def rollback(self, version: str) -> None:
        """Make a version current again that was committed before. Raises UnknownVersion or IncompletePublish."""
        raw = cast(bytes | None, self._redis.get(version_key(version)))
        if raw is None:
            raise UnknownVersion(f"no feed version {version} is held; held: {', '.join(self.versions()) or 'none'}")
        generation, viewers = raw.decode().split(" ")
        held = self._hold(generation)
        if held != int(viewers):
            self._let_go()
            raise IncompletePublish(
                f"feed version {version} had {viewers} feeds and {held} are left: the others have expired; "
                "publish it again instead of rolling back"
            )
        self._move_pointer(Pointer(generation, version), held, back=True)

    def current_version(self) -> str | None:
        """The version that readers get, or None before the first commit."""
        pointer = self._pointer()
        return pointer.version if pointer else None

    def versions(self) -> list[str]:
        """Every version that can be made current by `rollback`, the current one included, sorted."""
        prefix = version_key("")
        keys = self._redis.scan_iter(match=f"{prefix}*", count=_SCAN_COUNT)
        return sorted({key.decode().removeprefix(prefix) for key in keys})

    def memory_per_viewer(self, sample: int = 200) -> float:
        """Bytes of Redis memory that one viewer's feed in the current version takes: key, list and overhead.

        The mean of up to `sample` viewers. Raises NoFeedPublished.
        """
        pointer = self._pointer()
        if pointer is None:
            raise NoFeedPublished("no feed version is current, so there is no feed to measure")
        keys = list(islice((key for chunk in self._feed_keys(pointer.generation) for key in chunk), sample))
        with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.memory_usage(key, samples=0)
            sizes = [size for size in pipe.execute() if size is not None]
        return sum(sizes) / len(sizes) if sizes else 0.0

    def _staged(self, version: str) -> str:
        generation = cast(bytes | None, self._redis.get(staging_key(version)))
        if generation is None:
            raise NothingStaged(f"nothing is staged for feed version {version}: call begin({version!r}) first")
        return generation.decode()

    def _pointer(self) -> Pointer | None:
        return Pointer.parse(cast(bytes | None, self._redis.get(POINTER)))

    def _write_lists(self, lists: Iterable[tuple[str, Sequence[Mapping[str, object]]]]) -> int:
        written = 0
        rest = iter(lists)
        while chunk := list(islice(rest, CHUNK)):
            # One transaction: a connection lost between RPUSH and EXPIRE would leave a list that never goes away.
            with self._redis.pipeline(transaction=True) as pipe:
                for key, slots in chunk:
                    if not slots:
                        raise EmptyPublish(f"the feed for {key} has no slots: leave such a viewer to the fallback feed")
                    pipe.delete(key)
                    pipe.rpush(key, *map(encode_slot, slots[:MAX_SLOTS]))
                    pipe.expire(key, RETIRED_TTL_S)
                pipe.execute()
            written += len(chunk)
        return written

    def _hold(self, generation: str) -> int:
        """Take the TTL from a generation that is about to be current; returns how many viewers' feeds it holds.

        Killed before the pointer has moved, it is among those that the next commit lets go.
        """
        self._redis.sadd(LEAVING, generation)
        return self._keep(generation, None)

    def _move_pointer(self, to: Pointer, viewers: int, *, back: bool) -> None:
        def move(pipe: Pipeline) -> None:
            before = Pointer.parse(cast(bytes | None, pipe.get(POINTER)))
            if before is not None and not back and _is_older(to.version, before.version):
                raise OlderNight(f"feed version {to.version} is older than {before.version}, which stays current")
            # Where garbage stands nobody can tell what was current: all that is held goes.
            replaced = [before] if before is not None else list(self._held())
            pipe.multi()
            pipe.set(POINTER, to.text())
            pipe.set(version_key(to.version), f"{to.generation} {viewers}")
            pipe.delete(staging_key(to.version))
            pipe.srem(LEAVING, to.generation)
            for generation, version in replaced:
                if generation != to.generation:
                    pipe.sadd(LEAVING, generation)
                if version != to.version:
                    pipe.expire(version_key(version), RETIRED_TTL_S)

        try:
            self._redis.transaction(move, POINTER)  # again where somebody else has moved it meanwhile
        finally:
            self._let_go()
        if not back and (night := night_of(to.version)):
            cards.let_go_before(self._redis, night)

    def _held(self) -> Iterator[Pointer]:
        """Every version that is held, with its generation."""
        for version in self.versions():
            if (raw := cast(bytes | None, self._redis.get(version_key(version)))) is not None:
                yield Pointer(raw.decode().split(" ")[0], version)

    def _let_go(self) -> None:
        """Give what is no longer current a time to live, also what a killed commit has left."""
        current = self._pointer()
        for raw in cast("set[bytes]", self._redis.smembers(LEAVING)):
            generation = raw.decode()
            if current is None or generation != current.generation:
                self._keep(generation, RETIRED_TTL_S)
            self._redis.srem(LEAVING, generation)

    def _keep(self, generation: str, seconds: int | None) -> int:
        """Give every key of a generation `seconds` to live, None for ever; returns how many viewers' feeds it holds."""
        viewers: set[bytes] = set()  # SCAN may name a key twice
        for keys in self._feed_keys(generation):
            with self._redis.pipeline(transaction=False) as pipe:
                for key in keys:
                    _live(pipe, key, seconds)
                    pipe.exists(key)
                exist = pipe.execute()[1::2]
            viewers.update(key for key, exists in zip(keys, exist, strict=True) if exists)
        _live(self._redis, fallback_key(generation), seconds)
        return len(viewers)

    def _feed_keys(self, generation: str) -> Iterator[list[bytes]]:
        return self._scan(feed_key(generation, "*"))

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


def _live(client: redis.Redis, key: bytes | str, seconds: int | None) -> None:
    if seconds is None:
        client.persist(key)
    else:
        client.expire(key, seconds)


def _is_older(version: str, than: str) -> bool:
    """Versions that no night made are neither older nor newer."""
    night, other = night_of(version), night_of(than)
    return night is not None and other is not None and night < other
