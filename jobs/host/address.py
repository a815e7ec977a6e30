"""Where this home is served over HTTP, for as long as it is.

Belongs here: the note that `reelmill serve` keeps in its home, and reading it. Serving: endpoint.py.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.settings import Settings, is_s3, uri_of
from serving.feed_store.shapes import MEDIA

_NOTE = "endpoint.address"


@contextmanager
def noted(settings: Settings, address: str) -> Iterator[None]:
    """Note that the home is served at the address, until the context ends or the process dies: it holds a lock."""
    with (settings.home / _NOTE).open("a+") as note:
        try:
            fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another endpoint of this home is noted, which is as good
            yield
            return
        note.truncate(0)
        note.write(address)
        note.flush()
        yield


def served_at(settings: Settings) -> str | None:
    """The address of an endpoint that serves this home now, or None."""
    try:
        with (settings.home / _NOTE).open() as note:
            fcntl.flock(note, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None  # nobody holds it: left behind by a process that is gone
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return (settings.home / _NOTE).read_text() or None


def playback_address(settings: Settings, playback_path: str) -> str:
    """Where a video plays: at the endpoint of this home while there is one, else as a file of the media store."""
    if (base := served_at(settings)) is not None:
        return f"{base}{MEDIA}/{playback_path}"
    place = settings.media / playback_path
    return uri_of(place) if is_s3(place) else place.as_uri()
