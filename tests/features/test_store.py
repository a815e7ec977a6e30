"""Fetching features: the same by point in time and as of an instant, never from later days."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row

from feature_repo import definitions
from jobs.engine.frames import frame_of
from jobs.engine.lake import Lake, TableMissing
from jobs.engine.window import Window
from jobs.features import store, users
from jobs.features.store import as_of, feature_names, feature_store, point_in_time, quiet

# PySpark leaves the socket of every collect() to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)


def at(day: int, hour: int = 0) -> datetime:
    """An hour of a day, counted from 2024-03-01."""
    return MIDNIGHT + timedelta(days=day, hours=hour)


def shown(lake: Lake, *rows: tuple[str, str, datetime]) -> DataFrame:
    return frame_of(lake.spark, "user_id string, video_id string, at timestamp", rows)


def in_order(frame: DataFrame) -> list[Row]:
    return frame.orderBy("user_id", "video_id", "at").collect()


def test_the_definitions_have_every_column_of_the_contracts_and_declare_none() -> None:
    for contract in definitions.views().values():
        known = {*contract.key, definitions.TIMESTAMP}
        described = {c.name for c in contract.columns if not c.carried}
        assert {c.name for c in definitions.features(contract)} == described - known
    assert "user__days_since_last_watch" in feature_names()
    assert "video__views_7d" in feature_names()


def test_without_features_the_error_names_the_table(lake: Lake) -> None:
    with pytest.raises(TableMissing, match=r"gold\.user_daily"):
        point_in_time(lake, shown(lake, ("ann", "cats", at(1))))


def test_a_shown_video_gets_what_was_known_then_and_nothing_later(watched: Lake) -> None:
    moments = [at(0, 13), at(0, 23), at(1), at(2, 23), at(3), at(9)]
    joined = point_in_time(watched, shown(watched, *[("ann", "cats", moment) for moment in moments]))
    assert joined.columns == ["user_id", "video_id", "at", *feature_names()]
    rows = in_order(joined)
    # On its own day not even an hour later: the state of a day is known when the day is over.
    assert [r.user__watches_total for r in rows] == [None, None, 1, 1, 2, 2]
    assert [r.video__viewers_total for r in rows] == [None, None, 1, 1, 2, 2]
    assert [r.video__days_since_last_view for r in rows] == [None, None, 1, 2, 1, 7]


def test_whoever_is_unknown_has_no_features_and_keeps_the_row(watched: Lake) -> None:
    (row,) = point_in_time(watched, shown(watched, ("new", "dogs", at(3)))).collect()
    assert (row.user_id, row.user__watches_total, row.video__views_total) == ("new", None, 1)


def test_as_of_one_instant_gives_what_the_point_in_time_gives(watched: Lake) -> None:
    people, clips = ("ann", "ben", "new"), ("cats", "dogs", "gone")
    for moment in (at(1), at(2, 12), at(3), at(30)):
        pairs = shown(watched, *[(user, clip, moment) for user in people for clip in clips])
        assert in_order(as_of(watched, pairs, moment)) == in_order(point_in_time(watched, pairs))


def test_rows_keep_their_other_columns_and_their_number(watched: Lake) -> None:
    twice = shown(watched, ("ann", "cats", at(3)), ("ann", "cats", at(3))).selectExpr("*", "7 AS label")
    assert [r.label for r in point_in_time(watched, twice).collect()] == [7, 7]
    assert [r.label for r in as_of(watched, twice, at(3)).collect()] == [7, 7]


def test_nobody_asking_gets_no_rows(watched: Lake) -> None:
    assert point_in_time(watched, shown(watched, ("ann", "cats", at(3))).limit(0)).collect() == []


def test_our_join_gives_what_feasts_own_join_gives(watched: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [(user, clip, at(day)) for user in ("ann", "new") for clip in ("cats", "dogs") for day in range(5)]
    ours = in_order(point_in_time(watched, shown(watched, *asked)))
    monkeypatch.setattr(store, "OFFLINE_STORE", "spark")
    assert in_order(point_in_time(watched, shown(watched, *asked))) == ours


def test_what_feast_reads_is_the_version_that_the_run_pinned(changing: Lake, watches_of: Any) -> None:
    asked = shown(changing, ("ann", "cats", at(9)))
    before = in_order(point_in_time(changing, asked))
    late = Lake(changing.spark, changing.settings)
    late.merge("silver.watches", watches_of(("ann", "cats", 2)))
    users.run(late, Window.of_days(date(2024, 3, 1), date(2024, 3, 4)))
    assert in_order(point_in_time(changing, asked)) == before
    assert in_order(point_in_time(Lake(changing.spark, changing.settings), asked)) != before


def test_tasks_side_by_side_share_no_registry(watched: Lake) -> None:
    # The filters of warnings belong to the process: four threads that change them at once leave them as they happen to.
    with store.quiet(), ThreadPoolExecutor(4) as tasks:
        stores = list(tasks.map(lambda _: feature_store(watched, definitions.views().values()), range(4)))
        names = {tuple(sorted(view.name for view in one.list_feature_views())) for one in stores}
    assert names == {tuple(sorted(definitions.views()))}
    assert not list(watched.settings.registry.glob("registry.db*"))


def test_our_join_refuses_what_it_would_get_wrong(watched: Lake) -> None:
    from jobs.features.offline_store import NotJoinable  # imports Feast

    timed = shown(watched, ("ann", "cats", at(3))).withColumnRenamed("at", "event_timestamp")
    features = feature_store(watched, definitions.views().values())
    with quiet(), pytest.raises(NotJoinable, match="full names"):
        features.get_historical_features(timed, ["user:watches_7d"])
