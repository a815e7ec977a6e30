"""Daily features: exact at the end of every day, in one pass, without a glance at later days."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from jobs.engine.frames import frame_of
from jobs.engine.lake import EmptyOutput, Lake
from jobs.engine.window import Window
from jobs.features import users
from jobs.features.hashtags import HASHTAG_DAILY
from jobs.features.tables import replace_changes
from jobs.features.users import USER_DAILY
from jobs.features.videos import VIDEO_DAILY

# PySpark leaves the socket of every collect() to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

FIRST = date(2024, 3, 1)
TAGGED = "video_id string, hashtags array<string>, hashtags_at array<timestamp>"


def days(first: int, last: int) -> Window:
    return Window.of_days(FIRST + timedelta(days=first), FIRST + timedelta(days=last))


def by_day(rows: list[Row]) -> dict[int, Row]:
    """The rows of one entity by day, counted from 2024-03-01."""
    return {(row.event_date - FIRST).days: row for row in rows}


def test_a_row_is_written_when_something_happens_and_when_it_leaves_a_window(watches_of: Any) -> None:
    rows = by_day(USER_DAILY.changes(days(0, 60), watches_of(("ann", "cats", 0))).collect())
    assert {day: (r.watches_7d, r.watches_28d, r.watches_total) for day, r in rows.items()} == {
        0: (1, 1, 1),
        7: (0, 1, 1),
        28: (0, 0, 1),
    }
    assert [r.share_watched_28d for _, r in sorted(rows.items())] == [0.5, 0.5, None]


def test_a_row_becomes_valid_when_its_day_is_over(watches_of: Any) -> None:
    (row,) = USER_DAILY.changes(days(0, 0), watches_of(("ann", "cats", 0))).collect()
    assert row.valid_from.isoformat() == "2024-03-02T00:00:00"


def test_the_features_of_a_viewer(watches_of: Any) -> None:
    liked = {"share_watched": 1.0, "is_liked": True, "watch_ms": None}
    watches = watches_of(("ann", "cats", 0), ("ann", "dogs", 0, liked), ("ann", "cats", 3, {"share_watched": 0.1}))
    row = by_day(USER_DAILY.changes(days(0, 5), watches).collect())[3]
    assert (row.watches_7d, row.active_days_28d, row.active_days_total) == (3, 2, 2)
    assert (row.finishes_28d, row.skips_28d, row.likes_28d, row.shares_28d) == (1, 1, 1, 0)
    assert (row.watch_ms_28d, row.share_watched_28d, row.liked_share_total) == (2000, 0.533333, 0.333333)
    assert (row.first_watch_date, row.last_watch_date) == (FIRST, FIRST + timedelta(days=3))


def test_a_reaction_counts_from_its_own_day_and_leaves_with_its_watch(watches_of: Any) -> None:
    after_midnight = {"is_liked": True, "liked_at": datetime(2024, 3, 2, 0, 10, tzinfo=UTC)}
    rows = by_day(VIDEO_DAILY.changes(days(0, 60), watches_of(("ann", "cats", 0, after_midnight))).collect())
    assert {day: (r.views_total, r.viewers_total, r.likes_28d, r.likes_total) for day, r in rows.items()} == {
        0: (1, 1, 0, 0),
        1: (1, 1, 1, 1),
        7: (1, 1, 1, 1),
        28: (1, 1, 0, 1),
    }
    assert {r.last_view_date for r in rows.values()} == {FIRST}


def test_a_viewer_counts_once_in_a_window_however_often_they_watch(watches_of: Any) -> None:
    watches = watches_of(("ann", "cats", 0), ("ann", "cats", 0), ("ann", "cats", 20), ("ben", "cats", 20))
    rows = by_day(VIDEO_DAILY.changes(days(0, 60), watches).collect())
    assert {day: (r.viewers_28d, r.viewers_total) for day, r in rows.items()} == {
        0: (1, 1),
        7: (1, 1),
        20: (2, 2),
        27: (2, 2),
        28: (2, 2),  # ann's first views left, her last is still there
        48: (0, 2),
    }


def test_a_watch_counts_for_each_hashtag_of_its_video_once(spark: SparkSession, watches_of: Any) -> None:
    tagged = [("cats", ["pets", "cute", "pets"], None), ("dogs", ["pets"], None), ("rain", [], None)]
    videos = frame_of(spark, TAGGED, tagged)
    watches = watches_of(("ann", "cats", 0), ("ann", "dogs", 0), ("ben", "rain", 0))
    rows = {r.hashtag: r for r in HASHTAG_DAILY.changes(days(0, 0), watches, videos).collect()}
    assert {tag: (r.views_7d, r.viewers_28d, r.videos_28d) for tag, r in rows.items()} == {
        "pets": (2, 1, 2),
        "cute": (1, 1, 1),
    }


def test_a_watch_does_not_count_for_a_hashtag_that_its_video_got_later(spark: SparkSession, watches_of: Any) -> None:
    times = [datetime(2024, 3, 2, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)]
    videos = frame_of(spark, TAGGED, [("cats", ["cute", "pets"], times)])
    watches = watches_of(("ann", "cats", 0), ("ann", "cats", 1))
    rows = HASHTAG_DAILY.changes(days(0, 1), watches, videos).collect()
    assert sorted((r.hashtag, r.event_date.day, r.views_total) for r in rows) == [
        ("cute", 2, 1), ("pets", 1, 1), ("pets", 2, 2)
    ]  # fmt: skip


def test_a_day_that_changes_nothing_writes_nothing_and_fails_nothing(watched: Lake) -> None:
    before = watched.version("gold.user_daily")
    users.run(watched, days(4, 4))
    assert watched.version("gold.user_daily") == before


def test_rows_that_were_all_refused_are_an_error(changing: Lake) -> None:
    wrong = changing.read("gold.user_daily").withColumn("watches_7d", F.lit(-1).cast("bigint"))
    with pytest.raises(EmptyOutput):
        replace_changes(changing, "gold.user_daily", wrong, days(0, 3))


drawn_watches = st.lists(
    st.tuples(st.sampled_from(["ann", "ben", "eve"]), st.sampled_from(["cats", "dogs"]), st.integers(0, 70)),
    min_size=10,
    max_size=40,
)


@given(drawn_watches, st.integers(0, 70))
@hypothesis(max_examples=4, suppress_health_check=list(HealthCheck))
def test_the_newest_row_is_the_exact_state_of_any_day(
    watches_of: Any, drawn: list[tuple[str, str, int]], last: int
) -> None:
    """Against a count by hand of every day; and watches after the window, which are all there, change nothing."""
    rows = VIDEO_DAILY.changes(days(0, last), watches_of(*drawn)).collect()
    for video in ("cats", "dogs"):
        states = by_day([r for r in rows if r.video_id == video])
        for day in range(last + 1):
            known = [d for d in states if d <= day]
            views = [(user, d) for user, v, d in drawn if v == video and d <= day]
            if not views:
                assert not known
                continue
            state = states[max(known)]
            recent = [(user, d) for user, d in views if d > day - 28]
            assert state.views_7d == sum(d > day - 7 for _, d in views)
            assert (state.views_28d, state.views_total) == (len(recent), len(views))
            assert (state.viewers_28d, state.viewers_total) == (len({u for u, _ in recent}), len({u for u, _ in views}))
            assert state.last_view_date == FIRST + timedelta(days=max(d for _, d in views))
