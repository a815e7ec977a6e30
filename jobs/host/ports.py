"""Ports of this machine for servers of ours.

Belongs here: choosing one. Who listens on it, and for how long: redis_process.py, jobs/command/orchestrators.py.
"""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress

from jobs.errors import ReelmillError

# Below the ports that Linux hands to outgoing connections (from 32768 on), one of which could hold a port of ours
# while its server is down.
_FIRST, _COUNT = 20_000, 12_000


class NoFreePort(ReelmillError):
    """Every port that was tried is taken."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now. Raises NoFreePort."""
    for _ in range(100):
        port = _FIRST + secrets.randbelow(_COUNT)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise NoFreePort(f"no free port between {_FIRST} and {_FIRST + _COUNT} on this machine")
