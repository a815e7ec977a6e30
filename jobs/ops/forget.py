"""Forgets a person: every row, line, key and file that names them or is of one of their videos, job by job.

Belongs here: the order, the locks, and what a table's past may keep. Rows and lines: places.py. What names a person:
person.py. What leads to the rest: traces.py. It is told which jobs there are. Why so: docs/decisions/0037.

It goes from what comes in to what goes out, each step under the lock of its job: a run that was going on has ended by
then and its rows go too, and one that begins later reads what is clean.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow.compute as pc
import redis

import data_contracts
from feature_repo.definitions import online_views
from jobs.arrivals import kafka
from jobs.arrivals.handover import HELD_OUT_FOLDER
from jobs.engine.job import Job
from jobs.engine.stream import positions
from jobs.engine.tables import Tables
from jobs.engine.upkeep import VERSIONS_KEPT, keep_newest
from jobs.errors import ReelmillError
from jobs.events import ingest as events
from jobs.features import materialise, materialise_hourly, online
from jobs.feeds import publish as feeds
from jobs.feeds import related, trending
from jobs.host import redis_process
from jobs.host.locks import alone
from jobs.host.redis_server import redis_url
from jobs.media import ingest as uploads
from jobs.media import publish as videos
from jobs.media import store
from jobs.ops import traces
from jobs.ops.places import FORGOTTEN, MARKED, LinesOfFiles, Place, RowsHeldOut, RowsSetAside, TableRows
from jobs.ops.traces import Traces
from jobs.settings import Settings
from serving.feed_store import outcomes
from serving.feed_store.forgotten import forget_trending, forget_videos, forget_viewer
from serving.feed_store.related import forget as forget_related
from serving.incoming import folder_of
from serving.spool_upkeep import every_file, recover

ON_THEIR_WAY = "uploads on their way"
# Shows what goes on while it does.
Showing = Callable[[str], AbstractContextManager[object]]


class NotRead(ReelmillError):
    """A stream has not read a table to its end, and would bring back what is removed there."""


class NotForgotten(ReelmillError):
    """A table still names the person after their rows were removed."""


@dataclass(frozen=True)
class Removed:
    """How much of a place names the person, or did; older versions have it until `readable_until` at least, if any."""

    place: str
    count: int
    readable_until: datetime | None = None


@dataclass(frozen=True)
class Report:
    """What was removed, and sentences about what others keep."""

    removed: tuple[Removed, ...]
    notes: tuple[str, ...]


def look(user_id: str, jobs: Iterable[Job], settings: Settings) -> tuple[Traces, list[Removed]]:
    """What there is of a person in tables and files, place by place where there is something."""
    known = traces.gather(user_id, settings)
    places: list[Place] = [_held_out(settings)]
    for job in jobs:
        places += [*_lines(job, settings), *_tables(job, settings)]
    found = [Removed(place.name, place.find(known.person)) for place in places]
    found.append(Removed(ON_THEIR_WAY, len(_incoming(user_id, settings))))
    return known, [one for one in found if one.count]


def forget(
    user_id: str, jobs: Iterable[Job], settings: Settings, *, at_once: bool = False, showing: Showing = nullcontext
) -> Report:
    """Remove a person; the same again, also after a kill, removes what is left.

    Their rows are gone from the newest versions of tables. `at_once` removes all older versions too, with what the log
    says of them; it waits for the jobs that read a table, and they for it. Raises NotRead before it touches a table
    that a stream has yet to read.
    """
    jobs, removed = list(jobs), list[Removed]()
    with alone(settings, uploads.run.name), alone(settings, videos.run.name):
        theirs = _gathered(user_id, settings)
    with _redis(settings) as url:
        for job in jobs:
            with showing(job.name), _undisturbed(job, jobs, settings, at_once):
                if job.name == uploads.run.name:
                    # Before what has landed is looked for: of these, none lands any more.
                    removed.append(Removed(ON_THEIR_WAY, _let_go(theirs, settings)))
                if job.name in (uploads.run.name, videos.run.name):
                    # What came while no lock was held, before what says so goes.
                    theirs = _gathered(user_id, settings)
                removed += _from_tables(job, theirs, settings, at_once)
                removed += _from_elsewhere(job, theirs, settings, url)
        removed.append(Removed(_held_out(settings).name, _held_out(settings).remove(theirs.person)))
        if url is not None and settings.redis_url is None:
            with showing("redis"), redis.Redis.from_url(url) as client:
                redis_process.compact(client)
    traces.strike(user_id, settings)
    return Report(tuple(one for one in removed if one.count), tuple(_notes(removed, theirs, settings)))


def _gathered(user_id: str, settings: Settings) -> Traces:
    """What leads to the rest, with a note of it."""
    theirs = traces.gather(user_id, settings)
    traces.note(theirs, settings)
    return theirs


def _from_tables(job: Job, theirs: Traces, settings: Settings, at_once: bool) -> Iterator[Removed]:
    """Remove what the job has taken in and written; its lock is held."""
    for table in job.writes:
        _check_read(table, settings)
    if job.name == events.run.name and settings.spool.exists():
        recover(settings.spool)
    until = None if at_once else datetime.now(UTC) + VERSIONS_KEPT
    for lines in _lines(job, settings):
        yield Removed(lines.name, lines.remove(theirs.person))
    for rows in _tables(job, settings):
        yield Removed(rows.name, rows.remove(theirs.person), until)
        # Looked for in another way than they were removed by.
        if left := rows.find(theirs.person):
            raise NotForgotten(f"{left} rows of {rows.name} still name {theirs.user_id}, whose rows were removed.")
        # Anybody, and not just them: once they were removed, nothing says any more which videos were theirs.
        if at_once and rows.can_name_anybody and Tables.of(settings).is_there(rows.name):
            keep_newest(rows.name, settings, MARKED)


def _from_elsewhere(job: Job, theirs: Traces, settings: Settings, url: str | None) -> Iterator[Removed]:
    """Remove what the job has taken from, or put to, places that are no tables; its lock is held."""
    if job.name == uploads.run.name:
        yield Removed("files of uploads", _remove_uploads(theirs, settings))
    if job.name == videos.run.name:
        removed = [store.remove(settings.media, name) for name in _unplayed(theirs, settings)]
        yield Removed("folders of the media store", sum(removed))
        if url is not None:
            with redis.Redis.from_url(url) as client:
                yield Removed("outcomes of uploads in Redis", outcomes.forget(client, theirs.videos))
    # What the hourly push writes was read before the person's rows were gone, if it was running.
    if job.name in (materialise.run.name, materialise_hourly.run.name) and url is not None:
        naming = chain.from_iterable(map(theirs.person.naming, online_views().values()))
        ids = {column: ids for column, ids, _ in naming}
        yield Removed("entities of Feast online", online.take_out(url, ids))
    if job.name == trending.run.name and url is not None:
        with redis.Redis.from_url(url) as client:
            yield Removed("lists of what rises in Redis", forget_trending(client, theirs.videos))
    if job.name == related.run.name and url is not None:
        with redis.Redis.from_url(url) as client:
            yield Removed("lists of similar videos in Redis", forget_related(client, theirs.videos))
    if job.name == feeds.run.name and url is not None:
        with redis.Redis.from_url(url) as client:
            yield Removed("feeds and refusals in Redis", forget_viewer(client, theirs.user_id))
            yield Removed("cards and slots in Redis", forget_videos(client, theirs.videos))


def _lines(job: Job, settings: Settings) -> Iterator[LinesOfFiles]:
    """The files from which the job takes in."""
    if job.name == events.run.name:
        yield LinesOfFiles("spool", partial(every_file, settings.spool), data_contracts.load(events.TABLE))
    if job.name == uploads.run.name:
        yield LinesOfFiles("manifests", partial(traces.manifests, settings), data_contracts.load(uploads.TABLE))


def _tables(job: Job, settings: Settings) -> Iterator[TableRows | RowsSetAside]:
    """The tables that the job writes, and what it sets aside of them."""
    for table in job.writes:
        yield TableRows(table, settings)
        yield RowsSetAside(table, settings)


def _held_out(settings: Settings) -> RowsHeldOut:
    return RowsHeldOut(settings.home / HELD_OUT_FOLDER, settings)


@contextmanager
def _undisturbed(job: Job, jobs: Sequence[Job], settings: Settings, at_once: bool) -> Iterator[None]:
    """Alone with the tables of a job: none of its runs, and none of those that stream from them, goes on.

    `at_once` none that reads them either, since the files of older versions go, which a run has begun with.
    """
    there = [table for table in job.writes if Tables.of(settings).is_there(table)]
    streaming = {name for table in there for name in positions(table, settings)}
    readers = {other.name for other in jobs if {*other.reads, *other.recalls} & {*job.writes}}
    others = {other.name for other in jobs if other.name in streaming} | (readers if at_once else set())
    with ExitStack() as locks:
        # In one order, so that two who take several never wait for each other.
        for name in sorted({job.name, *others}):
            locks.enter_context(alone(settings, name))
        yield


def _check_read(table: str, settings: Settings) -> None:
    """Raises NotRead when a stream would yet read from older files what is removed."""
    if not Tables.of(settings).is_there(table):
        return
    opened = Tables.of(settings).open(table)
    for name, position in positions(table, settings).items():
        unseen = opened.history(opened.version() - position + 1) if position <= opened.version() else []
        if position == 0 or any(commit.get("userMetadata") != FORGOTTEN for commit in unseen):
            raise NotRead(
                f"{name} has not read all of {table}, and would bring back what is removed there: run "
                "`reelmill pipeline ingest`, then forget again."
            )


def _incoming(user_id: str, settings: Settings) -> list[Path]:
    """What came of them over HTTP and has not landed, and what is kept of what did: a folder for each upload."""
    return list(folder_of(settings.landing, user_id).glob("*"))


def _let_go(theirs: Traces, settings: Settings) -> int:
    """Remove what is on its way; an endpoint that still receives some of it may remove it too."""
    found = _incoming(theirs.user_id, settings)
    for upload in found:
        shutil.rmtree(upload, onerror=_unless_it_is_gone)
    with suppress(OSError):
        folder_of(settings.landing, theirs.user_id).rmdir()  # unless another upload has begun
    return len(found)


def _unless_it_is_gone(_: object, __: str, raised: tuple[type[BaseException], BaseException, object]) -> None:
    if not isinstance(raised[1], FileNotFoundError):
        raise raised[1]


def _remove_uploads(theirs: Traces, settings: Settings) -> int:
    """Remove the files that nobody's upload names any more."""
    # Of what is there, since a manifest comes from outside, and might name any file of this machine.
    there = {f"files/{path.name}": path for path in (settings.landing / "files").glob("[!.]*")}
    theirs_alone = theirs.files - _still_named(uploads.TABLE, "media_file", settings) - traces.handed_over(settings)
    found = [there[name] for name in theirs_alone & there.keys() if there[name].is_file()]
    for path in found:
        path.unlink()
    return len(found)


def _unplayed(theirs: Traces, settings: Settings) -> list[str]:
    """The folders that play for nobody's video any more; the same bytes from two people share one."""
    return sorted(theirs.media - _still_named(videos.VIDEOS, "media_hash", settings))


def _still_named(table: str, column: str, settings: Settings) -> set[str]:
    tables = Tables.of(settings)
    if not tables.is_there(table):
        return set()
    named = tables.open(table).to_pyarrow_dataset().to_table([column], filter=pc.field(column).is_valid())
    return set(named.column(column).to_pylist())


@contextmanager
def _redis(settings: Settings) -> Iterator[str | None]:
    """The URL of the home's Redis; None where none was ever started."""
    if settings.redis_url is None and not (settings.home / "redis").exists():
        yield None
        return
    with redis_url(settings) as url:
        yield url


def _notes(removed: Iterable[Removed], theirs: Traces, settings: Settings) -> Iterator[str]:
    if until := max((one.readable_until for one in removed if one.count and one.readable_until), default=None):
        yield (
            "Older versions go when jobs next tend their tables, a quiet one perhaps never: run `reelmill upkeep` "
            f"after {until:%Y-%m-%d %H:%M} UTC, or forget once more with --at-once."
        )
    if settings.topic is not None:
        kept = kafka.kept_for(settings.topic)
        yield (
            f"Kafka cannot remove single messages: the topic {settings.topic} keeps them for {kept}, and so its "
            "companion of refused ones. What was not taken in yet comes back: when it has been, forget once more."
        )
    if settings.redis_url is not None:
        yield "The configured Redis may keep what was removed in its own files: let it write them anew (BGREWRITEAOF)."
    if unplayed := _unplayed(theirs, settings):
        folders = ", ".join(f"/media/{name}/" for name in unplayed)
        yield f"Caches in front of the endpoint keep what plays for up to a year: purge {folders} there."
