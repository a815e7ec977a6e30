"""Uploads on their way over HTTP: kept on disk as they come, and put into the landing area when they are whole.

Belongs here: what is kept of each, who may write to it, how many a person may have, and what is let go. What is said
of it over HTTP: uploads.py. Where it goes: landing.py.

    <landing>/incoming/<person>/<time and chance>/note   what was stated of it, and what has become of it
    <landing>/incoming/<person>/<time and chance>/part   what has come of it; its length is how far it has come

The length of a file is true after any kill, since nothing else says how far an upload has come. Landing goes in steps,
each of which may be the last one of a process: the note says as what it lands, the part is moved, its line is handed
over, the note says that it was. Whoever looks at it next goes on from there, and ends with the same file and line.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from serving import room
from serving.landing import Upload, fingerprint, line, manifest, media_file, sync, upload_id_of, write_whole
from serving.limits import Limits

FOLDER = "incoming"
# What comes no further for so long is let go. A phone that was without a network over night goes on.
EXPIRES = timedelta(days=1)
# How long it can be asked what became of it.
KEPT = timedelta(days=7)
_DAY = timedelta(days=1)
_NAME = re.compile(r"[0-9a-f]{48}")
_log = logging.getLogger(__name__)


class UploadUnknown(Exception):
    """No upload has this name, or it was let go long ago."""


class UploadOver(Exception):
    """The upload was ended by who sends it, or came no further for too long."""


class UploadBusy(Exception):
    """Another request writes to the upload."""


class UploadLanded(Exception):
    """The upload is in the landing area, and nothing of it can be taken back here."""


class TooManyUploads(Exception):
    """A person has as many uploads as they may; `again_s` says when there may be another."""

    def __init__(self, text: str, again_s: int) -> None:
        super().__init__(text)
        self.again_s = again_s


@dataclass(frozen=True)
class Note:
    """What is kept of an upload. `landed_as` has its line as soon as all of it is there."""

    user_id: str
    title: str
    hashtags: tuple[str, ...]
    file_name: str
    metadata: str
    bytes: int
    landed_as: Upload | None = None
    has_landed: bool = False


@dataclass(frozen=True)
class Progress:
    """How far an upload has come, and until when it may stand still: None once it is whole."""

    note: Note
    received: int
    expires_at: datetime | None

    @property
    def is_whole(self) -> bool:
        return self.received == self.note.bytes


class Incoming:
    """The uploads on their way to one landing area; any number of processes may share it. It waits for the disk."""

    def __init__(self, landing: Path, limits: Limits) -> None:
        self.limits = limits
        self._landing = landing
        self._root = landing / FOLDER

    def begin(self, note: Note, now: datetime) -> str:
        """The name of a new upload. Raises TooManyUploads, and OSError where all of it would not leave room enough."""
        self._landing.mkdir(parents=True, exist_ok=True)
        room.check(self._landing, room.UPLOADS_LEAVE + note.bytes)
        theirs = folder_of(self._landing, note.user_id)
        theirs.mkdir(parents=True, exist_ok=True)
        with _locked(theirs, wait=True):  # or two requests at once would both be the last one
            self._check(theirs, now)
            made = theirs / f"{int(now.timestamp()):08x}{secrets.token_hex(12)}"
            made.mkdir(parents=True)  # another process may have swept theirs away since
            (made / "part").touch()
            write_whole(made / "note", _written(note))
        for folder in (theirs, self._root, self._landing):
            sync(folder)
        return theirs.name + made.name

    def progress(self, name: str, now: datetime) -> Progress:
        """How far it has come; what is whole and has not landed does so now. Raises UploadUnknown and UploadOver."""
        found = self._look(self._folder(name), now)
        if found.is_whole and not found.note.has_landed:
            with suppress(UploadBusy), self.writing(name, now) as part:
                return part.land(now)
        return found

    @contextmanager
    def writing(self, name: str, now: datetime) -> Iterator[Part]:
        """Alone with an upload. Raises UploadBusy, and what `progress` does."""
        folder = self._folder(name)
        with _locked(folder):
            try:
                yield Part(self._landing, folder, self._look(folder, now))
            except FileNotFoundError as error:  # its person was forgotten meanwhile
                raise UploadUnknown(name) from error

    def end(self, name: str, now: datetime) -> None:
        """Let go of what has come. Raises UploadLanded, and what `writing` does."""
        with self.writing(name, now) as part:
            if part.is_landing:
                raise UploadLanded(name)
            (self._folder(name) / "part").unlink()

    def sweep(self, now: datetime) -> None:
        """Land what is whole, let go of what expired, and forget what nobody can ask for any more."""
        for folder in self._root.glob("*/*"):
            if not _NAME.fullmatch(folder.parent.name + folder.name):
                continue  # somebody else's, and not ours to remove
            try:
                self._tend(folder, now)
            except (UploadUnknown, UploadBusy):
                continue
            except Exception:  # a full disk, perhaps, or a note of a later version: the others are tended all the same
                _log.exception("cannot tend the upload in %s; trying again", folder)

    def _tend(self, folder: Path, now: datetime) -> None:
        with _locked(folder):
            is_done = True
            try:
                found = self._look(folder, now)
                is_done = found.is_whole
                if is_done:
                    Part(self._landing, folder, found).land(now)
            except UploadOver:
                (folder / "part").unlink(missing_ok=True)
            except UploadUnknown:  # killed before there was a note
                pass
            if not is_done or _begun(folder) >= now - KEPT:
                return
            shutil.rmtree(folder)
        with suppress(OSError):  # there are others of that person
            folder.parent.rmdir()

    def _check(self, theirs: Path, now: datetime) -> None:
        uploads = [path for path in theirs.iterdir() if (path / "note").exists()]
        today = sorted(begun for upload in uploads if (begun := _begun(upload)) > now - _DAY)
        if len(today) >= self.limits.a_day:
            again = today[-self.limits.a_day] + _DAY - now
            raise TooManyUploads(f"{self.limits.a_day} uploads a day are enough", int(again.total_seconds()) + 1)
        under_way = sum(_is_under_way(upload, now) for upload in uploads)
        if under_way >= self.limits.at_once:
            raise TooManyUploads(f"{self.limits.at_once} uploads at once are enough; end or finish one", 60)

    def _folder(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise UploadUnknown(name)
        return self._root / name[:16] / name[16:]

    def _look(self, folder: Path, now: datetime) -> Progress:
        try:
            note = _read((folder / "note").read_bytes())
        except FileNotFoundError as error:
            raise UploadUnknown(folder.name) from error
        if note.landed_as is not None:
            return Progress(note, note.bytes, None)
        try:
            received = (folder / "part").stat().st_size
            expires_at = _expires(folder / "part")
        except FileNotFoundError as error:
            # It may have landed since the note was read.
            if _read((folder / "note").read_bytes()).landed_as is not None:
                return self._look(folder, now)
            raise UploadOver(folder.name) from error
        if received == note.bytes:
            return Progress(note, received, None)
        if expires_at <= now:
            raise UploadOver(folder.name)
        return Progress(note, received, expires_at)


class Part:
    """An upload that nobody else writes to."""

    def __init__(self, landing: Path, folder: Path, progress: Progress) -> None:
        self._landing = landing
        self._folder = folder
        self._begun_at = progress.received
        self.note = progress.note
        self.received = progress.received

    @property
    def is_landing(self) -> bool:
        """Whether it is whole, so that it lands if it has not."""
        return self.received == self.note.bytes

    def append(self, data: bytes) -> None:
        """Keep what came next. What a disk that fills up did not take comes again. Raises OSError."""
        if not data:
            return  # nothing is asked of a part that may have landed
        room.check(self._folder, room.UPLOADS_LEAVE)
        part = os.open(self._folder / "part", os.O_WRONLY | os.O_APPEND)
        try:
            left = memoryview(data)
            while left:
                written = os.write(part, left)
                self.received += written
                left = left[written:]
        finally:
            os.close(part)

    def keep(self, now: datetime) -> Progress:
        """What has come is on the disk when this returns; what is whole is in the landing area too."""
        if self.is_landing:
            return self.land(now)
        sync(self._folder / "part")
        return Progress(self.note, self.received, _expires(self._folder / "part"))

    def take_back(self) -> None:
        """Let go of what came since this began."""
        if self.received > self._begun_at:  # else the part may have landed
            os.truncate(self._folder / "part", self._begun_at)
            self.received = self._begun_at

    def land(self, now: datetime) -> Progress:
        """Put it into the landing area, or go on doing so."""
        part, note = self._folder / "part", self.note
        if note.has_landed:
            return Progress(note, note.bytes, None)
        if note.landed_as is None:
            sync(part)
            note = replace(note, landed_as=_landing_as(note, fingerprint(part), now))
            write_whole(self._folder / "note", _written(note))
        upload = note.landed_as
        assert upload is not None
        clip, lines = self._landing / upload.media_file, [line(upload)]
        target = manifest(self._landing, upload.source, lines)
        for folder in (clip.parent, target.parent):
            folder.mkdir(parents=True, exist_ok=True)
            sync(folder.parent)
        try:
            part.replace(clip)
        except FileNotFoundError:
            if not clip.exists():  # or else an attempt before this one has moved it
                raise
        sync(clip.parent)
        write_whole(target, lines[0])
        self.note = replace(note, has_landed=True)
        write_whole(self._folder / "note", _written(self.note))
        return Progress(self.note, note.bytes, None)


def folder_of(landing: Path, user_id: str) -> Path:
    """Where all is that is kept here of a person, for those who forget them."""
    return landing / FOLDER / hashlib.sha256(user_id.encode()).hexdigest()[:16]


def landing_of(landing: Path, user_id: str) -> list[Upload]:
    """Of what is kept here of a person, what has landed or began to, for those who forget them."""
    notes = [_read(file.read_bytes()) for file in folder_of(landing, user_id).glob("*/note")]
    return [note.landed_as for note in notes if note.landed_as is not None]


def _landing_as(note: Note, content: str, now: datetime) -> Upload:
    upload_id = upload_id_of(note.user_id, content)
    return Upload(
        upload_id=upload_id,
        user_id=note.user_id,
        title=note.title,
        hashtags=note.hashtags,
        sound_id=None,
        duet_of=None,
        stitch_of=None,
        media_file=media_file(upload_id, note.file_name),
        source="api",
        bytes=note.bytes,
        duration_ms=None,
        uploaded_at=now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )


def _begun(folder: Path) -> datetime:
    return datetime.fromtimestamp(int(folder.name[:8], 16), UTC)


def _is_under_way(folder: Path, now: datetime) -> bool:
    try:
        return _expires(folder / "part") > now
    except FileNotFoundError:  # it has landed, or was ended
        return False


def _expires(part: Path) -> datetime:
    return datetime.fromtimestamp(part.stat().st_mtime, UTC) + EXPIRES


def _written(note: Note) -> bytes:
    return orjson.dumps(asdict(note))


def _read(text: bytes) -> Note:
    fields = orjson.loads(text)
    if fields["landed_as"] is not None:
        fields["landed_as"] = Upload(**{**fields["landed_as"], "hashtags": tuple(fields["landed_as"]["hashtags"])})
    return Note(**{**fields, "hashtags": tuple(fields["hashtags"])})


@contextmanager
def _locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Held while a process works in a folder; it goes with the process. Raises UploadUnknown and UploadBusy."""
    try:
        held = os.open(folder, os.O_RDONLY)
    except FileNotFoundError as error:
        raise UploadUnknown(folder.name) from error
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UploadBusy(folder.name) from error
        yield
    finally:
        os.close(held)
