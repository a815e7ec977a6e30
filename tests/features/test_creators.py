"""What is counted of a creator is what is counted of their videos."""

from typing import Any

import pytest

from jobs.features.creators import CREATOR_DAILY
from tests.features.conftest import days

# PySpark leaves the socket of every collect() to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def test_a_creator_is_described_by_the_watches_of_all_their_videos_and_by_those_of_nobody_else(
    watches_of: Any, videos_of: Any
) -> None:
    watches = watches_of(
        ("ann", "cats", 0, {"share_watched": 1.0, "is_liked": True}),
        ("ann", "dogs", 0, {"share_watched": 0.1}),
        ("ben", "dogs", 0, {"share_watched": 1.0}),
        ("ben", "owls", 0),
        ("eve", "cats", 8),
    )
    theirs = videos_of("cats", "dogs", "owls").replace({"maker-cats": "zoe", "maker-dogs": "zoe"}, subset="user_id")
    rows = CREATOR_DAILY.changes(days(0, 8), watches, theirs).where("creator_id = 'zoe'").orderBy("event_date")
    found = [
        (r.event_date.day, r.views_7d, r.views_28d, r.viewers_28d, r.videos_28d, r.breadth_28d) for r in rows.collect()
    ]
    # On day 7 the three watches of day 0 leave the span of seven days.
    assert found == [(1, 3, 3, 2, 2, 0.666667), (8, 0, 3, 2, 2, 0.666667), (9, 1, 4, 3, 2, 0.75)]


def test_a_rate_of_few_watches_is_drawn_to_what_is_usual(watches_of: Any, videos_of: Any) -> None:
    whole = {"share_watched": 1.0, "is_liked": True}
    (row,) = CREATOR_DAILY.changes(days(0, 0), watches_of(("ann", "cats", 0, whole)), videos_of("cats")).collect()
    # 20 more watches, of which 6 were finished, 6 skipped and 1 liked.
    assert (row.finished_share_total, row.finished_rate_28d) == (1.0, round(7 / 21, 6))
    assert (row.skipped_rate_28d, row.liked_rate_28d) == (round(6 / 21, 6), round(2 / 21, 6))
