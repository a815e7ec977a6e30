"""The key that signs for a home: cursors, and the tokens of its Airflow.

Belongs here: making it once and reading it. What it signs: serving/cursor.py, jobs/command/orchestrators.py.
"""

from __future__ import annotations

import contextlib
import os
import secrets

from jobs.host.files import sync
from jobs.settings import Settings


def secret(settings: Settings) -> str:
    """The key of this home: the configured one, or a file that its owner only can read; the first who asks makes it.

    Two processes may start at once on a new home: the link is atomic, so both end with the same key.
    """
    if settings.secret is not None:
        return settings.secret.get_secret_value()
    path = settings.home / "secret"
    if not path.exists():
        draft = settings.home / f".secret.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(32))
        sync(draft)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
        sync(settings.home)
    return path.read_text()
