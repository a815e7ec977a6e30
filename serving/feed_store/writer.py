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

from serving.feed_store import cards, former, refused
from serving.feed_store.forgotten import note_generation
from serving.feed_store.layout import (
    CHUNK,
    LEAVING,
    MAX_SLOTS,
    POINTER,
    RETIRED_TTL_S,
    EmptyPublish,
    IncompletePublish,
    NothingStaged,
    OlderNight,
    Pointer,
    UnknownVersion,
    encode,
    encode_slot,
    fallback_key,
    feed_key,
    feeds_of,
    name,
    night_of,
    packed_key,
    staging_key,
    version_key,
    videos_key,
    words_key,
)
from serving.feed_store.packed import pack
from serving.feed_store.scan import scan
from serving.feed_store.withdrawn import take_back_slots

# Of a kind, that one store remembers: some 40 MB. Words that it forgets are written again.
_MOST_NAMES = 200_000


class FeedStore:
    """Writes versions of feeds. `begin`, then `write_*` in any order, then `commit`; readers see all of it or none.

    Several stores may write the same staged version at once (one per Spark partition): the staging lives in Redis.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis: redis.Redis = redis.Redis.from_url(redis_url, socket_timeout=60, socket_connect_timeout=5)
        self._videos, self._words, self._words_of = _Names(), _Names(), ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._redis.close()

    def begin(self, version: str) -> None:
        """Open a staging area for `version` that no reader sees, dropping what a killed publish of it left behind."""
        former.take_over(self._redis)
        former.take_over_refusals(self._redis)
        abandoned = cast(bytes | None, self._redis.get(staging_key(version)))
        if abandoned is not None:
            for keys in self._keys_of(abandoned.decode()):
                with self._redis.pipeline(transaction=False) as pipe:
                    for key in keys:
                        pipe.unlink(key)
                    pipe.execute()
        generation = secrets.token_hex(6)
        self._redis.set(packed_key(generation), b"1", ex=RETIRED_TTL_S)
        note_generation(self._redis, generation)
        self._redis.set(staging_key(version), generation, ex=RETIRED_TTL_S)

    def write_feeds(self, version: str, feeds: Iterable[tuple[str, Sequence[str], Sequence[bytes]]]) -> int:
        """Stage one feed per viewer, in order, at most MAX_SLOTS slots each; returns how many were written.

        A feed is the id of its viewer, those of its videos, of which `write_parts` says the rest, and as many words:
        the encoded JSON objects of what slots say beside their videos. Writing a viewer again in the same attempt
        replaces their feed. Raises EmptyPublish for a feed without slots.
        """
        generation = self._staged(version)
        written, rest = 0, iter(feeds)
        while chunk := list(islice(rest, CHUNK)):
            videos, words = self._names(generation)
            packed = [(feed_key(generation, feed[0]), _packed(feed, videos, words)) for feed in chunk]
            with self._redis.pipeline(transaction=False) as pipe:
                # Before the feeds that have them: a task that is killed leaves no feed without words.
                for new in words.new():
                    pipe.set(words_key(generation, words[new]), new, ex=RETIRED_TTL_S)
                for key, feed in packed:
                    pipe.set(key, feed, ex=RETIRED_TTL_S)
                pipe.execute()
            words.known = len(words)
            written += len(chunk)
        return written

    def write_parts(self, version: str, videos: Iterable[Mapping[str, object]]) -> None:
        """Stage what each slot of these videos says of them, by their `video_id`."""
        generation, rest = self._staged(version), iter(videos)
        while chunk := list(islice(rest, CHUNK)):
            with self._redis.pipeline(transaction=False) as pipe:
                for video in chunk:
                    pipe.set(videos_key(generation, name(str(video["video_id"]))), encode(video), ex=RETIRED_TTL_S)
                pipe.execute()
            take_back_slots(self._redis, generation, (str(video["video_id"]) for video in chunk))

    def write_fallback(self, version: str, slots: Sequence[Mapping[str, object]]) -> None:
        """Stage the feed for strangers, whose slots say everything themselves. Raises EmptyPublish without any."""
        if not slots:
            raise EmptyPublish(f"the feed for strangers of {version} has no slots")
        generation = self._staged(version)
        key = fallback_key(generation)
        # One transaction: a connection lost between RPUSH and EXPIRE would leave a list that never goes away.
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(key)
            pipe.rpush(key, *map(encode_slot, slots[:MAX_SLOTS]))
            pipe.expire(key, RETIRED_TTL_S)
            pipe.execute()
        take_back_slots(self._redis, generation, (str(slot["video_id"]) for slot in slots))

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
        """Make a version current that was committed before. Raises UnknownVersion or IncompletePublish."""
        raw = cast(bytes | None, self._redis.get(version_key(version)))
        if raw is None:
            raise UnknownVersion(f"no feed version {version} is held; held: {', '.join(self.versions()) or 'none'}")
        generation, viewers = raw.decode().split(" ")
        if self._pointer() == Pointer(generation, version):
            return
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
        former.take_over(self._redis)
        prefix = version_key("")
        return sorted({key.removeprefix(prefix) for keys in scan(self._redis, f"{prefix}*") for key in keys})

    def _staged(self, version: str) -> str:
        generation = cast(bytes | None, self._redis.get(staging_key(version)))
        if generation is None:
            raise NothingStaged(f"nothing is staged for feed version {version}: call begin({version!r}) first")
        return generation.decode()

    def _names(self, generation: str) -> tuple[_Names, _Names]:
        """What names this store has met, of videos and of words in a generation: thousands of feeds say the same."""
        if len(self._videos) > _MOST_NAMES:
            self._videos = _Names()
        if self._words_of != generation or len(self._words) > _MOST_NAMES:
            self._words_of, self._words = generation, _Names()
        return self._videos, self._words

    def _pointer(self) -> Pointer | None:
        return Pointer.parse(cast(bytes | None, self._redis.get(POINTER)))

    def _hold(self, generation: str) -> int:
        """Take the TTL from a generation that is about to be current; returns how many viewers' feeds had one.

        Killed before the pointer has moved, it is among those that the next commit lets go.
        """
        if not self._redis.sadd(LEAVING, generation):
            # Who was killed here has taken it from some, or given it back to some: neither would be counted.
            self._expire(generation)
        viewers = 0
        for keys in self._keys_of(generation):
            with self._redis.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.persist(key)
                # SCAN may name a key twice, of which only the first time takes anything.
                taken = zip(keys, pipe.execute(), strict=True)
            viewers += sum(had for key, had in taken if key.startswith(feeds_of(generation)))
        return viewers

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
                self._expire(generation)
            self._redis.srem(LEAVING, generation)

    def _expire(self, generation: str) -> None:
        """Give every key of a generation RETIRED_TTL_S to live."""
        for keys in self._keys_of(generation):
            with self._redis.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.expire(key, RETIRED_TTL_S)
                pipe.execute()

    def _keys_of(self, generation: str) -> Iterator[list[str]]:
        return scan(self._redis, f"feed:{generation}:*")


class _Names(dict[str | bytes, bytes]):
    """The names of all that was met here; of words, the first `known` are in Redis."""

    known = 0

    def __missing__(self, text: str | bytes) -> bytes:
        self[text] = name(text)
        return self[text]

    def new(self) -> list[str | bytes]:
        return list(islice(self, self.known, None))


def _packed(feed: tuple[str, Sequence[str], Sequence[bytes]], videos: _Names, words: _Names) -> bytes:
    viewer_id, of_videos, of_words = feed
    if not of_videos:
        raise EmptyPublish(f"the feed for {viewer_id} has no slots: leave such a viewer to the fallback feed")
    return pack([videos[one] for one in of_videos[:MAX_SLOTS]], [words[one] for one in of_words[:MAX_SLOTS]])


def _is_older(version: str, than: str) -> bool:
    """Versions that no night made are neither older nor newer."""
    night, other = night_of(version), night_of(than)
    return night is not None and other is not None and night < other
