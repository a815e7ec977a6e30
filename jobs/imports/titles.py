"""A title of an imported catalogue: an upload that has no media.

Belongs here: its row of bronze.uploads. What each file says of it: movielens.py, catalogue.py and interactions.py.
"""

from __future__ import annotations

from collections.abc import Sequence


def title_row(
    upload_id: str,
    *,
    user_id: str,
    source: str,
    uploaded_at: str,
    title: str | None = None,
    hashtags: Sequence[str] = (),
    hashtags_at: Sequence[str] | None = None,
    sound_id: str | None = None,
    duration_ms: int | None = None,
) -> dict[str, object]:
    """A row of bronze.uploads, as JSON has it: without a file, and so neither a duet nor a stitch of anything."""
    return {
        "upload_id": upload_id,
        "user_id": user_id,
        "title": title,
        "hashtags": list(hashtags),
        "hashtags_at": None if hashtags_at is None else list(hashtags_at),
        "sound_id": sound_id,
        "duet_of": None,
        "stitch_of": None,
        "media_file": None,
        "source": source,
        "bytes": None,
        "duration_ms": duration_ms,
        "uploaded_at": uploaded_at,
    }
