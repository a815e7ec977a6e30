"""Room on disks: who fills one stops before it is full, uploads long before events.

Belongs here: how much is left free. A disk without any would keep the jobs from committing and from making room. Who
heeds it: incoming.py and spool.py.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

# An upload is made into three renditions, and comes again; an event is small and comes once.
UPLOADS_LEAVE = 1 << 30
EVENTS_LEAVE = 128 << 20


def check(folder: Path, leave: int) -> None:
    """Raises OSError, as for a full disk, where less than `leave` bytes are free."""
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < leave:
        raise OSError(errno.ENOSPC, f"less than {leave >> 20} MiB are free", str(folder))
