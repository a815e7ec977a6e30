"""How watches ended, as features: what viewers, videos and hashtags all count, and the shares made of those counts.

Belongs here: sums and shares over watches that mean the same whatever the key. What only one table has: its own
module, such as users.py. Over which days: changes.py.
"""

from __future__ import annotations

from jobs.features.changes import Counted

# A share enters the sums as an integer number of millionths: sums of doubles depend on Spark's shuffle order.
SHARE_UNITS = 1_000_000
# A rate of few watches is mostly luck: it is drawn to what is usual, as if so many more watches had gone so. What is
# usual is a constant, since one that moves would write a row of every entity every day.
PRIOR_WATCHES = 20
USUAL = {"finished": 0.3, "skipped": 0.3, "liked": 0.05}


def outcomes(watches: str) -> dict[str, Counted]:
    """What of silver.watches to add up, by name, each from its own time on; `watches` names the number of watches."""
    return {
        watches: Counted("1"),
        "finishes": Counted("CAST(is_finished AS BIGINT)"),
        "skips": _reaction("is_skipped", "skipped_at"),
        "likes": _reaction("is_liked", "liked_at"),
        "shares": _reaction("is_shared", "shared_at"),
        "share_units": Counted(f"CAST(round(share_watched * {SHARE_UNITS}) AS BIGINT)"),
    }


def _reaction(flag: str, at: str) -> Counted:
    # Watches that were made before silver.watches had these times have none; theirs count at the start, as then.
    return Counted(f"CAST({flag} AS BIGINT)", f"coalesce({at}, started_at)")


def outcome_shares(watches: str) -> dict[str, str]:
    """The summed `outcomes` as shares of the number of watches, 6 decimals; NULL when there was no watch."""
    return {
        "share_watched_{span}": _part("share_units", watches, SHARE_UNITS),
        "finished_share_{span}": _part("finishes", watches),
        "skipped_share_{span}": _part("skips", watches),
        "liked_share_{span}": _part("likes", watches),
    }


def smoothed_rates(watches: str) -> dict[str, str]:
    """The summed `outcomes` as rates, with PRIOR_WATCHES more watches that went as is USUAL, 6 decimals."""
    counts = {"finished": "finishes", "skipped": "skips", "liked": "likes"}
    return {
        f"{name}_rate_{{span}}": f"round(({counts[name]}_{{span}} + {usual * PRIOR_WATCHES}D) "
        f"/ ({watches}_{{span}} + {PRIOR_WATCHES}), 6)"
        for name, usual in USUAL.items()
    }


def _part(of: str, count: str, units: int = 1) -> str:
    return f"round(try_divide({of}_{{span}}, {count}_{{span}} * {units}), 6)"
