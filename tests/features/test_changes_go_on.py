"""A day goes on from the state before it: however a history is cut into runs, the same rows come of it."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

import data_contracts
from jobs.engine.lake import Lake
from jobs.engine.runner import run_job
from jobs.engine.window import Window
from jobs.features import users, videos
from jobs.features.creators import CREATOR_DAILY
from jobs.features.hashtags import HASHTAG_DAILY
from jobs.features.tables import FeatureTable
from jobs.features.user_creators import USER_CREATORS
from jobs.features.user_hashtags import USER_HASHTAGS
from jobs.features.users import USER_DAILY
from jobs.features.videos import VIDEO_DAILY

# PySpark leaves the socket of every collect() to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

FIRST = date(2024, 3, 1)
DAYS = 70


def days(first: int, last: int) -> Window:
    return Window.of_days(FIRST + timedelta(days=first), FIRST + timedelta(days=last))


def liked_later(day: int) -> dict[str, Any]:
    """A like that came after midnight."""
    return {"is_liked": True, "liked_at": datetime(2024, 3, 2, 9, tzinfo=UTC) + timedelta(days=day)}


# Where spans end, and anywhere.
drawn_days = st.sampled_from([0, 1, 6, 7, 8, 27, 28, 29, 35, 56]) | st.integers(0, DAYS)
drawn_watches = st.lists(
    st.tuples(
        st.sampled_from(["ann", "ben", "eve"]),
        st.sampled_from(["cats", "dogs"]),
        drawn_days,
        st.sampled_from([0.1, 0.333333, 1.0]),
        st.booleans(),
    ),
    min_size=10,
    max_size=40,
)


@pytest.mark.parametrize("table", [USER_DAILY, VIDEO_DAILY, HASHTAG_DAILY], ids=lambda table: table.table)
# Who leaves a span on the very day on which they come back; and who was there on the day before only.
@example([("ann", "cats", day, 1.0, False) for day in (0, 7, 35)] + [("ben", "cats", 34, 1.0, True)], {34, 35})
@given(drawn_watches, st.sets(st.integers(1, DAYS), min_size=1, max_size=2))
@hypothesis(max_examples=2, suppress_health_check=list(HealthCheck))
def test_any_cut_of_any_history_into_runs_gives_the_rows_of_one_run(
    watches_of: Any,
    videos_of: Callable[..., DataFrame],
    table: FeatureTable,
    drawn: list[tuple[str, str, int, float, bool]],
    cuts: set[int],
) -> None:
    watches = watches_of(
        *[
            (u, v, day, {"share_watched": share} | (liked_later(day) if liked else {}))
            for u, v, day, share, liked in drawn
        ]
    )
    inputs = [watches, videos_of("cats", "dogs")][: 1 + len(table.beside)]
    at_once = table.changes(days(0, DAYS), *inputs)
    # A window of one day is made in another way than longer ones.
    starts = [0, *sorted(cuts | {day + 1 for day in cuts if day < DAYS})]
    rows: list[Row] = []
    for start, end in zip(starts, [*starts[1:], DAYS + 1], strict=True):
        past = table.past(
            watches.sparkSession.createDataFrame(rows, at_once.schema), lambda frame: frame.localCheckpoint()
        )
        rows += table.changes(days(start, end - 1), *inputs, past=past).collect()
    assert Counter(rows) == Counter(at_once.collect())


@pytest.mark.parametrize(
    "table", [USER_DAILY, VIDEO_DAILY, HASHTAG_DAILY, CREATOR_DAILY], ids=lambda table: table.table
)
def test_the_rows_of_each_daily_table_carry_all_that_the_next_day_is_made_of(table: FeatureTable) -> None:
    assert table.carries()
    carried = {c.name for c in data_contracts.load(table.table).columns if c.carried}
    assert carried
    assert all(table.columns()[name] == name for name in carried)


def test_what_rankers_read_of_a_pair_is_all_that_its_next_day_is_made_of() -> None:
    assert USER_CREATORS.carries() and USER_HASHTAGS.carries()


def exact(lake: Lake, table: FeatureTable, last: int) -> bool:
    """Whether the table holds what one run over all of the past would make."""
    whole = table.changes(days(0, last), Lake(lake.spark, lake.settings).read("silver.watches"))
    held = Lake(lake.spark, lake.settings).read(table.table)
    return Counter(held.collect()) == Counter(whole.collect())


def test_a_night_goes_on_from_what_is_there_and_not_from_what_a_late_event_made_wrong(
    changing: Lake, watches_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spark, settings = changing.spark, changing.settings
    found: list[bool] = []
    ask = Lake.before

    def before(lake: Lake, table: str, window: Window) -> DataFrame | None:
        rows = ask(lake, table, window)
        found.append(rows is not None)
        return rows

    monkeypatch.setattr(Lake, "before", before)
    run_job(users.run, days(0, 3), spark, settings, catch_up=True)
    changing.merge("silver.watches", watches_of(("ann", "cats", 4), ("eve", "dogs", 4, {"share_watched": 0.95})))
    run_job(users.run, days(4, 4), spark, settings, catch_up=True)
    assert exact(changing, USER_DAILY, 4)
    changing.merge("silver.watches", watches_of(("ben", "dogs", 3), ("ann", "cats", 5)))
    assert run_job(users.run, days(5, 5), spark, settings, catch_up=True).window == days(3, 5)
    assert exact(changing, USER_DAILY, 5)
    assert found == [False, True, True]


def test_rows_that_lack_one_that_was_set_aside_are_not_gone_on_from(changing: Lake) -> None:
    lake = Lake(changing.spark, changing.settings, job=videos.run)
    lake.right_until = days(4, 4).start
    assert lake.before("gold.video_daily", days(4, 4)) is not None
    assert lake.before("gold.video_daily", days(5, 5)) is None
    refused = changing.read("gold.video_daily").limit(1)
    changing.quarantine("gold.video_daily", refused.withColumn("views_7d", F.lit(-1)), "views_7d_not_negative")
    again = Lake(changing.spark, changing.settings, job=videos.run)
    again.right_until = days(4, 4).start
    assert again.before("gold.video_daily", days(4, 4)) is None
    assert again.warnings


def test_days_on_which_nothing_is_left_lose_their_rows(changing: Lake) -> None:
    changing.tables.open("silver.watches").delete("started_at >= '2024-03-03'")
    lake = Lake(changing.spark, changing.settings)
    users.run(lake, days(1, 3))
    assert {row.event_date for row in lake.read("gold.user_daily").select("event_date").collect()} == {FIRST}
