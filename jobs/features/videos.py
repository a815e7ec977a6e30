"""Daily features of a video: how it was watched, finished, liked and skipped, over 7 and 28 days and ever.

Belongs here: anything keyed by video_id and computed from watches. What the video itself shows or says: jobs/media/.
What a declaration says: tables.py. The arithmetic of spans: changes.py.
"""

from __future__ import annotations

from jobs.features.outcomes import outcome_shares, outcomes
from jobs.features.tables import FeatureTable

VIDEO_DAILY = FeatureTable(
    "gold.video_daily",
    sums=outcomes("views"),
    distinct={"viewers": "user_id"},
    extra={**outcome_shares("views"), "first_view_date": "first_date", "last_view_date": "last_date"},
)
run = VIDEO_DAILY.job(__name__)
