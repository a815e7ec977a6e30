"""Daily features of a viewer: what they watched, finished, liked and skipped, over 7 and 28 days and ever.

Belongs here: anything keyed by user_id and computed from watches. What a declaration says: tables.py. The arithmetic of
spans: changes.py.
"""

from __future__ import annotations

from jobs.features.changes import ITS_DAY, Counted
from jobs.features.outcomes import outcome_shares, outcomes
from jobs.features.tables import FeatureTable

USER_DAILY = FeatureTable(
    "gold.user_daily",
    sums={**outcomes("watches"), "watch_ms": Counted("coalesce(watch_ms, 0)")},
    distinct={"active_days": ITS_DAY},
    extra={**outcome_shares("watches"), "first_watch_date": "first_date", "last_watch_date": "last_date"},
)
run = USER_DAILY.job(__name__)
