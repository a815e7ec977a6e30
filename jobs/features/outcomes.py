"""How watches ended, as features: what users, videos and hashtags all count, and the shares made of those counts.

Belongs here: sums and shares over watches that mean the same whatever the key. What only one of them has: users.py,
videos.py, hashtags.py. Over which days: changes.py.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.features.changes import Counted

# A share enters the sums as an integer number of millionths: sums of doubles depend on Spark's shuffle order.
SHARE_UNITS = 1_000_000


def outcomes(watches: str) -> dict[str, Counted]:
    """What of silver.watches to add up, by name, each from its own time on; `watches` names the number of watches."""
    return {
        watches: Counted(F.lit(1)),
        "finishes": Counted(F.col("is_finished").cast("bigint")),
        "skips": _reaction("is_skipped", "skipped_at"),
        "likes": _reaction("is_liked", "liked_at"),
        "shares": _reaction("is_shared", "shared_at"),
        "share_watched": Counted(F.round(F.col("share_watched") * SHARE_UNITS).cast("bigint")),
    }


def _reaction(flag: str, at: str) -> Counted:
    # Watches that were made before silver.watches had these times have none; theirs count at the start, as then.
    return Counted(F.col(flag).cast("bigint"), F.coalesce(at, "started_at"))


def outcome_shares(watches: str) -> list[Column]:
    """The summed `outcomes` as shares of the number of watches, 6 decimals; NULL when there was no watch."""
    return [
        *[_part(f"share_watched_{span}", f"{watches}_{span}", SHARE_UNITS) for span in ("28d", "total")],
        _part("finishes_total", f"{watches}_total").alias("finished_share_total"),
        _part("skips_total", f"{watches}_total").alias("skipped_share_total"),
        _part("likes_total", f"{watches}_total").alias("liked_share_total"),
    ]


def _part(of: str, count: str, units: int = 1) -> Column:
    return F.round(F.try_divide(F.col(of), F.col(count) * units), 6).alias(of)
