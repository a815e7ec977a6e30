"""Daily features of a viewer and a creator: what the viewer made of the creator's videos, over 7 and 28 days and ever.

Belongs here: anything keyed by user_id and creator_id. What all make of a creator: creators.py. What a declaration
says: tables.py.
"""

from __future__ import annotations

from jobs.features.creators import with_creator
from jobs.features.outcomes import outcomes
from jobs.features.tables import FeatureTable

USER_CREATORS = FeatureTable(
    "gold.user_creators",
    rows=with_creator,
    beside=("silver.videos",),
    sums=outcomes("watches"),
    extra={"last_watch_date": "last_date"},
)
run = USER_CREATORS.job(__name__)
