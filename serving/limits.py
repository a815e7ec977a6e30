"""What a person may upload over HTTP, unless a setting says otherwise.

Belongs here: these numbers, for the endpoint and for jobs/settings.py. Only the standard library is imported, since
every DAG file loads this. Heeding them: incoming.py and stated.py.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a person may upload."""

    # As a job takes it (jobs/media/refusals.py): whatever is larger would come in vain.
    max_bytes: int = 500 << 20
    # What a file is said to be; what it is, a job finds out.
    types: str = "video/*"
    at_once: int = 10
    a_day: int = 100
