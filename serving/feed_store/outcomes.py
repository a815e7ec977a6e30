"""What becomes of uploads, as media.publish finds out: that they are worked on, or why they cannot be published.

Belongs here: the one value of an upload, who writes it and who reads it. What is published has a card instead
(cards.py), and whoever asks goes by that first. Why a clip is refused: jobs/media/refusals.py.

    outcome:<upload_id>   string   "processing", or what silver.videos says: "too_long: 363 s, limit 180 s"
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

import redis

from serving.feed_store.layout import CHUNK

PROCESSING = "processing"
# A run that was killed says nothing more of what it worked on; the next one does.
_PROCESSING_TTL_S = 6 * 3_600
# Far longer than an upload can be asked for (serving/incoming.py): the same bytes may come again, and are not looked at
# again.
_REFUSED_TTL_S = 90 * 86_400


def key(upload_id: str) -> str:
    return f"outcome:{upload_id}"


def write_processing(client: redis.Redis, upload_ids: Collection[str]) -> None:
    """These uploads are worked on."""
    _write(client, dict.fromkeys(upload_ids, PROCESSING), _PROCESSING_TTL_S)


def write_refused(client: redis.Redis, reasons: Mapping[str, str]) -> None:
    """These uploads, by their ids, cannot be published, each for its reason."""
    _write(client, reasons, _REFUSED_TTL_S)


def forget(client: redis.Redis, upload_ids: Collection[str]) -> int:
    """Remove what is said of these uploads; returns of how many."""
    return int(cast(int, client.unlink(*map(key, upload_ids)))) if upload_ids else 0


def _write(client: redis.Redis, values: Mapping[str, str], ttl_s: int) -> None:
    items = list(values.items())
    for chunk in (items[n : n + CHUNK] for n in range(0, len(items), CHUNK)):
        with client.pipeline(transaction=False) as pipe:
            for upload_id, value in chunk:
                pipe.set(key(upload_id), value, ex=ttl_s)
            pipe.execute()
