"""Daily features of a viewer and a hashtag: what the viewer made of videos that carry it, over 7 and 28 days and ever.

Belongs here: anything keyed by user_id and hashtag. What all make of a hashtag: hashtags.py. What a declaration says:
tables.py.
"""

from __future__ import annotations

from jobs.features.hashtags import tagged
from jobs.features.outcomes import outcomes
from jobs.features.tables import FeatureTable

USER_HASHTAGS = FeatureTable(
    "gold.user_hashtags",
    rows=tagged,
    beside=("silver.videos",),
    sums=outcomes("watches"),
    extra={"last_watch_date": "last_date"},
)
run = USER_HASHTAGS.job(__name__)
