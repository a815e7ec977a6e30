"""The media store, a folder or a bucket: one folder per content hash, which appears whole or not at all.

Belongs here: names below settings.media. What goes into a folder: ladder.py. Who points to it:
publish.py.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from jobs.host import bucket
from jobs.host.files import give_name
from jobs.host.locks import FileLock
from jobs.media.ladder import LADDER, SETTINGS
from jobs.settings import is_s3, uri_of

WORK = ".work"
"""Folder below settings.media for what is being made; on the same file system, so that a rename is atomic."""


def media_hash(source: Path) -> str:
    """32 hex digits that name the input bytes and the ladder settings, and thereby every output byte."""
    with source.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(f"{content}{json.dumps(SETTINGS, sort_keys=True)}".encode()).hexdigest()[:32]


def ladder_of(media: Path, name: str, fill: Callable[[Path], object]) -> str:
    """What the LADDER of the folder media/name says, after `fill` has made the folder where it is not there yet."""
    if not is_s3(media):
        return (make_once(media, name, fill) / LADDER).read_text()
    objects = bucket.store(f"{uri_of(media)}/{name}")
    try:
        return bytes(objects.get(LADDER).bytes()).decode()
    except FileNotFoundError:
        pass
    # Two machines that make the same at once put the same bytes twice.
    with tempfile.TemporaryDirectory(prefix=name) as made:
        fill(Path(made))
        files = sorted(file.relative_to(made) for file in Path(made).rglob("*") if file.is_file())
        # Last what says that all is there.
        for file in sorted(files, key=lambda file: file.name == LADDER):
            objects.put(str(file), Path(made, file))
        return Path(made, LADDER).read_text()


def remove(media: Path, name: str) -> bool:
    """Remove the folder media/name; whether there was one."""
    if is_s3(media):
        objects = bucket.store(f"{uri_of(media)}/{name}")
        paths = [one["path"] for page in objects.list() for one in page]
        objects.delete(paths)
        return bool(paths)
    found = (media / name).is_dir()
    shutil.rmtree(media / name, ignore_errors=not found)
    return found


def make_once(media: Path, name: str, fill: Callable[[Path], object]) -> Path:
    """The folder media/name: as it is when it exists, else filled by `fill` in a temporary folder and renamed.

    Two uploads of the same bytes wait for each other. What a killed run left behind is removed by the next run of the
    same name; each attempt has its own folder, since an ffmpeg that outlived its worker may still be writing there.
    """
    final = media / name
    if final.is_dir():
        return final
    work = media / WORK
    # Locks are files that stay, so they are few: one for each first two digits, not one for each clip.
    with FileLock(work / f"{name[:2]}.lock"):
        if final.is_dir():
            return final
        for leftover in work.glob(f"{name}.attempt-*"):
            # An ffmpeg that is still writing there may add a file meanwhile; the next run has the rest of it.
            shutil.rmtree(leftover, ignore_errors=True)
        attempt = Path(tempfile.mkdtemp(prefix=f"{name}.attempt-", dir=work))
        try:
            fill(attempt)
        except BaseException:
            shutil.rmtree(attempt)
            raise
        attempt.chmod(0o755)  # for the web server
        give_name(attempt, final)
    return final
