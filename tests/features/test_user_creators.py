"""What a viewer made of a creator is a row of the two, from the first watch on."""

from datetime import date
from typing import Any

import pytest

from jobs.features.user_creators import USER_CREATORS
from tests.features.conftest import days

# PySpark leaves the socket of every collect() to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def test_a_viewer_has_a_row_with_each_creator_whom_they_watched_and_with_no_other(
    watches_of: Any, videos_of: Any
) -> None:
    watches = watches_of(
        ("ann", "cats", 0, {"share_watched": 1.0}),
        ("ann", "dogs", 0, {"share_watched": 0.1}),
        ("ann", "owls", 2),
        ("ben", "dogs", 0),
    )
    videos = videos_of("cats", "dogs", "owls").replace({"maker-owls": "maker-cats"}, subset="user_id")
    rows = USER_CREATORS.changes(days(0, 2), watches, videos).where("user_id = 'ann'").collect()
    found = {
        (r.creator_id, r.event_date.day): (r.watches_28d, r.finishes_total, r.skips_total, r.last_watch_date)
        for r in rows
    }
    assert found == {
        ("maker-cats", 1): (1, 1, 0, date(2024, 3, 1)),
        ("maker-cats", 3): (2, 1, 0, date(2024, 3, 3)),
        ("maker-dogs", 1): (1, 0, 1, date(2024, 3, 1)),
    }
