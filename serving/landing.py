"""The landing area: where uploads wait for media.ingest, whoever brings them.

Belongs here: its layout, and the rules by which an upload has its id and its line. Copying files of this machine into
it: jobs/arrivals/landing.py. Uploads that come over HTTP: incoming.py. Reading it: jobs/media/ingest.py.

    <landing>/files/<upload_id>.<extension>   a clip, there before the line that names it
    <landing>/manifests/<source>-<hash>.jsonl one line for each upload; a name is never used for other lines
    <landing>/incoming/                       what is on its way over HTTP (incoming.py); no job looks there
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True)
class Upload:
    """One line of a manifest: the columns of bronze.uploads, as JSON has them."""

    upload_id: str
    user_id: str
    title: str
    hashtags: tuple[str, ...]
    sound_id: str | None
    duet_of: str | None
    stitch_of: str | None
    media_file: str
    source: str
    bytes: int
    duration_ms: None
    uploaded_at: str


def line(upload: Upload) -> bytes:
    """As media.ingest reads it, newline included."""
    return orjson.dumps(asdict(upload), option=orjson.OPT_APPEND_NEWLINE)


def upload_id_of(user_id: str, content: str) -> str:
    """The name of an upload, from who uploads and the hash of what: the same bytes of a person are one upload."""
    return hashlib.sha256(f"{user_id}\0{content}".encode()).hexdigest()[:32]


def fingerprint(path: Path) -> str:
    """SHA-256 of the content, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def media_file(upload_id: str, name: str) -> str:
    """Where the clip of an upload lies, below the landing area; `name` is what its creator called the file."""
    return f"files/{upload_id}.{extension(name)}"


def extension(name: str) -> str:
    """A file's extension where it is a plain one, else "bin"; only for people, since probing looks at the content."""
    suffix = Path(name).suffix.lower().removeprefix(".")
    return suffix if re.fullmatch(r"[a-z0-9]{1,8}", suffix) else "bin"


def manifest(landing: Path, source: str, lines: Sequence[bytes]) -> Path:
    """The file by which lines are handed over: ingest never reads a name twice, so other lines have another."""
    return landing / "manifests" / f"{source}-{hashlib.sha256(b''.join(lines)).hexdigest()[:12]}.jsonl"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears under its name when all of it is on the disk; it replaces the one of that name."""
    # It keeps the suffix, by which those who forget a person find what a kill has left of a manifest.
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        unfinished.write_bytes(content)
        sync(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """fsync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
