"""Puts files from outside into the landing area, with what their creator states of them.

Belongs here: what `reelmill upload` does. The layout of the landing area, and uploads over HTTP: serving/landing.py. No
judgement on content: a bad file is kept, and publish.py says why.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from jobs.arrivals.handover import hand_over, instant
from jobs.errors import ReelmillError
from jobs.host.files import appearing
from serving import landing as area
from serving.landing import Upload, upload_id_of


class NothingToUpload(ReelmillError):
    """A path to upload does not exist, is not a regular file, or is a folder without files."""


class Unreadable(ReelmillError):
    """A file to upload cannot be read, or an id that was given is not text."""


def land(
    files: Iterable[Path],
    *,
    landing: Path,
    user_id: str,
    uploaded_at: datetime,
    title: str | None = None,
    hashtags: Sequence[str] = (),
    sound_id: str | None = None,
    duet_of: str | None = None,
    stitch_of: str | None = None,
    source: str = "cli",
) -> list[Upload]:
    """Copy files into the landing area and hand over one manifest; returns the uploads in order.

    A folder stands for the files below it, sorted, without hidden ones. Without a title, a file's name is its title.
    `uploaded_at` needs a time zone. The same bytes from the same user are the same upload, and land once.
    Raises NothingToUpload and Unreadable before anything is copied.
    """
    if uploaded_at.tzinfo is None:
        raise ValueError("uploaded_at has no time zone")
    for what, value in (("user", user_id), ("sound", sound_id), ("duet", duet_of), ("stitch", stitch_of)):
        if value is not None and readable(value) != value:
            raise Unreadable(f"The id of the {what} is not UTF-8: {readable(value)}. Nothing was uploaded.")
    uploads: dict[str, Upload] = {}
    sources: dict[str, Path] = {}
    for path in expand(files):
        upload_id = upload_id_of(user_id, fingerprint(path))
        sources[upload_id] = path
        uploads[upload_id] = Upload(
            upload_id=upload_id,
            user_id=user_id,
            title=readable(title or path.stem),
            hashtags=tuple(map(readable, hashtags)),
            sound_id=sound_id,
            duet_of=duet_of,
            stitch_of=stitch_of,
            media_file=area.media_file(upload_id, path.name),
            source=source,
            bytes=path.stat().st_size,
            duration_ms=None,
            uploaded_at=instant(uploaded_at),
        )
    # All the lines before the first copy: a file without a line is an orphan that nobody would ever look at.
    lines = [area.line(upload) for upload in uploads.values()]
    for upload in uploads.values():
        copy(sources[upload.upload_id], landing / upload.media_file)
    hand_over(area.manifest(landing, source, lines), lines)
    return list(uploads.values())


def expand(paths: Iterable[Path]) -> list[Path]:
    """The regular files that the paths stand for; raises NothingToUpload for each path that stands for none."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [p for p in sorted(path.rglob("*")) if p.is_file() and not hidden(p.relative_to(path))]
            if not inside:
                raise NothingToUpload(f"The folder {path} holds no files to upload.")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            # A named pipe or device would be read for ever.
            kind = "is neither a file nor a folder" if path.exists() else "does not exist"
            raise NothingToUpload(f"{path} {kind}; name a file or a folder to upload.")
    if not found:
        raise NothingToUpload("No file to upload was named.")
    return found


def hidden(relative: Path) -> bool:
    """Whether a path goes through a dot file or folder, like .DS_Store or .git."""
    return any(part.startswith(".") for part in relative.parts)


def fingerprint(path: Path) -> str:
    """SHA-256 of the content, in hex. Raises Unreadable."""
    try:
        return area.fingerprint(path)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}. Nothing was uploaded.") from error


def readable(text: str) -> str:
    """The text as it can be stored: bytes of a file's name or of an argument that are not UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def copy(source: Path, target: Path) -> None:
    """Copy under a temporary name, flush, rename; a file that is already there has the same content and stays."""
    if target.exists():
        return
    with appearing(target) as unfinished:
        shutil.copyfile(source, unfinished)
