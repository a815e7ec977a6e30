"""S3, or a server that speaks it, as the environment says: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and so on.

Belongs here: reaching it, and a lock in a bucket. What lies there: whoever asks. The endpoint, which may not import
jobs, reads media by itself (serving/media.py).

Everybody takes the same variables from the environment: delta-rs and obstore by themselves, and Spark as it is told in
jobs/engine/spark.py. None of them is a setting, so that no key stands in a file or in an argument.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from types import TracebackType
from typing import TYPE_CHECKING

from jobs.errors import ReelmillError

if TYPE_CHECKING:
    from obstore.store import S3Store

# A lock that its holder has not renewed for so long is free.
LEASE_S = 30.0
RENEWALS = 4  # in the time of a lease
LOOK_EVERY_S = 0.5
_FREE = b"-"
_log = logging.getLogger(__name__)


class LockLost(ReelmillError):
    """A lock in a bucket could not be renewed in time, so that somebody else may have taken it."""


def endpoint() -> str | None:
    """The address of a server that is not Amazon's."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def options() -> dict[str, str]:
    """What delta-rs needs to be told besides what it takes from the environment."""
    return {"allow_http": "true"} if (endpoint() or "").startswith("http://") else {}


def store(address: str) -> S3Store:
    """The objects below s3://bucket/prefix."""
    from obstore.store import S3Store  # not for those whose lake is a folder

    return S3Store.from_url(address, client_options={"allow_http": bool(options())})


class BucketLock:
    """A lock that holds over all machines that see a bucket: an object that its holder writes anew while it lives.

    Each write is on condition that nobody else wrote in between. Who waits looks whether the object changes, by a clock
    of its own, and takes it when it did not for LEASE_S: its holder is gone. Raises LockLost at the end of the `with`
    when the holder was so slow itself; what it wrote meanwhile, Delta has compared with what others wrote.
    """

    def __init__(self, address: str, name: str) -> None:
        self._store = store(address)
        self._key = f"_locks/{name}"
        self._over = threading.Event()
        self._lost = False

    def __enter__(self) -> None:
        self._tag = self._take()
        self._renewing = threading.Thread(target=self._renew, name=f"lock {self._key}", daemon=True)
        self._renewing.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._over.set()
        self._renewing.join()
        if not self._lost and self._write(_FREE, self._tag) is not None:
            return
        lost = LockLost(
            f"The lock {self._key} of the lake was not renewed for {LEASE_S:.0f} s, so that somebody else may have it. "
            "What was committed stays; run the job again."
        )
        if kind is None:
            raise lost
        _log.warning("%s", lost)

    def _take(self) -> str:
        seen, since = "", time.monotonic()
        while True:
            tag, content = self._look()
            if tag != seen:
                seen, since = tag, time.monotonic()
            if not tag or content == _FREE or time.monotonic() - since > LEASE_S:
                taken = self._write(self._mark(), tag)
                if taken is not None:
                    return taken
            time.sleep(LOOK_EVERY_S)

    def _look(self) -> tuple[str, bytes]:
        """The tag and the content of the object; nothing of one that is not there."""
        import obstore

        try:
            found = obstore.get(self._store, self._key)
            return found.meta["e_tag"] or "", bytes(found.bytes())
        except FileNotFoundError:
            return "", _FREE

    def _write(self, content: bytes, before: str) -> str | None:
        """The tag of the object as it is now; None when it was not as before."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            written = obstore.put(self._store, self._key, content, mode={"e_tag": before} if before else "create")
        except (AlreadyExistsError, PreconditionError):
            # An answer that was lost makes the client ask again, and S3 then refuses what is there by ourselves.
            tag, there = self._look()
            return tag if there == content != _FREE else None
        return written["e_tag"] or ""

    def _mark(self) -> bytes:
        """Never twice the same, since a tag may be a hash of the content."""
        return f"{os.uname().nodename} {os.getpid()} {uuid.uuid4()}".encode()

    def _renew(self) -> None:
        from obstore.exceptions import BaseError

        renewed = time.monotonic()
        while not self._over.wait(LEASE_S / RENEWALS):
            try:
                tag = self._write(self._mark(), self._tag)
            except BaseError as error:  # the network, perhaps; there is time for more
                _log.warning("the lock %s cannot be renewed: %s", self._key, error)
                self._lost = time.monotonic() - renewed > LEASE_S
            else:
                self._lost, self._tag, renewed = tag is None, tag or "", time.monotonic()
            if self._lost:
                return
