"""What was scored is kept as it was, compared with what is true by now, and with the training set."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import data_contracts
from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.limits import measured
from jobs.engine.window import Window
from jobs.features import store, users, videos
from jobs.feeds import build
from jobs.feeds.build import SCORED
from jobs.ops import feature_quality
from jobs.ops.feature_quality import QUALITY, judging, quality, true_now
from jobs.ranking.features import ranker_features
from jobs.ranking.training_set import EXAMPLES
from jobs.settings import Settings

NIGHT, NEXT = date(2024, 3, 4), date(2024, 3, 5)
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def watch(user: str, video: str, day: int) -> dict[str, Any]:
    """A row of silver.watches, its day counted from 2024-03-01."""
    row: dict[str, Any] = {c.name: False for c in data_contracts.load("silver.watches").columns if c.type == "boolean"}
    return {**row, "user_id": user, "video_id": video, "started_at": NOON + timedelta(days=day), "watch_ms": 9}


def take_in(lake: Lake, *watches: dict[str, Any]) -> None:
    """Add watches, and make the daily features until the night anew."""
    rows = [{**row, "share_watched": 1.0, "is_finished": True} for row in watches]
    lake.merge("silver.watches", rows_of(lake.spark, "silver.watches", rows))
    for run in (users.run, videos.run):
        run(lake, Window.of_days(date(2024, 3, 1), NIGHT))


@pytest.fixture(scope="module")
def fed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake after a night in which ann, who has watched cats, and ben, who has watched nothing, were fed.

    For all tests: none may write to it. `late` is a copy of it to write to.
    """
    # Checks of what is written take half of the time, and are made in the tests of nights.
    lake = Lake(spark, Settings(home=tmp_path_factory.mktemp("fed"), checks=False))
    published = {"status": "published", "published_at": NOON, "duration_ms": 10, "hashtags": [], "source": "api"}
    clips = [
        {"video_id": clip, "user_id": f"of {clip}", "title": "T", **published} for clip in ("cats", "dogs", "owls")
    ]
    lake.merge("silver.videos", rows_of(spark, "silver.videos", clips))
    take_in(lake, watch("ann", "cats", 0))
    proposal = {"event_date": NIGHT, "source": "popular", "because": "7"}
    proposals = [
        {**proposal, "user_id": user, "video_id": video, "rank": n, "score": 1 / n}
        for user, video, n in (("ann", "dogs", 1), ("ann", "owls", 2), ("ben", "cats", 1), ("ben", "dogs", 2))
    ]
    lake.merge("gold.candidates", rows_of(spark, "gold.candidates", proposals))
    build.run(lake, Window.of_day(NIGHT))
    lake.create(EXAMPLES)
    return lake


@pytest.fixture
def late(fed: Lake, tmp_path: Path) -> Lake:
    """The same when the next night scores the same, after ann's second watch came late, of a day before both."""
    shutil.copytree(fed.settings.lake, tmp_path / "lake")
    lake = Lake(fed.spark, Settings(home=tmp_path, checks=False))
    lake.merge(SCORED, lake.read(SCORED).withColumn("event_date", F.lit(NEXT)))
    take_in(lake, watch("ann", "owls", 1))
    return lake


def test_what_is_kept_is_what_is_true_by_point_in_time_while_nothing_comes_late(
    fed: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What feeds go by has no part in what is true: a fault of it would be on both sides, and never seen.
    monkeypatch.delattr(store, "as_of")
    found: pd.DataFrame = true_now(fed, fed.read(SCORED), Window.of_day(NIGHT)).toPandas()
    true = found.set_index(["user_id", "video_id"])
    kept = {(row.user_id, row.video_id): dict(row.features) for row in fed.read(SCORED).collect()}
    assert kept.keys() == set(true.index) == {("ann", "dogs"), ("ann", "owls"), ("ben", "cats"), ("ben", "dogs")}
    for pair, values in kept.items():
        assert set(values) == set(ranker_features())
        expected = true.loc[pair].astype("float32")
        np.testing.assert_array_equal(np.array([values[n] for n in expected.index], dtype=np.float32), expected)
    assert kept["ben", "cats"]["video__views_total"] == 1 and kept["ben", "cats"]["user__watches_total"] is None


def test_the_first_night_has_nothing_to_compare_with_and_is_within_limits(fed: Lake, tmp_path: Path) -> None:
    shutil.copytree(fed.settings.lake, tmp_path / "lake")
    lake = Lake(fed.spark, Settings(home=tmp_path, checks=False))
    feature_quality.run(lake, Window.of_day(NIGHT))
    rows = lake.read(QUALITY).collect()
    assert [row.feature for row in rows] == list(ranker_features())
    assert all(row.is_within_limits and row.compared_date is None and row.psi is None for row in rows)


def test_an_event_that_came_late_is_a_mismatch_of_the_features_that_it_changes_and_of_no_other(late: Lake) -> None:
    feature_quality.run(late, Window.of_day(NEXT))
    rows = {row.feature: row for row in late.read(QUALITY).collect()}
    assert {row.compared_date for row in rows.values()} == {NIGHT}
    # Two of the four candidates were ann's, and one of the four was the video of which there is now a view.
    watches, views = rows["user__watches_total"], rows["video__views_total"]
    assert (watches.mismatch_share, watches.symmetric_error) == (0.5, round(2 / 6, 6))
    assert (views.missing_share, views.mismatch_share, views.symmetric_error) == (0.25, 0.25, 0)
    untouched = {"popular_score", "popular_rank", "days_since_published", "user__days_since_first_watch"}
    assert all(rows[name].mismatch_share == 0 and rows[name].is_within_limits for name in untouched)
    assert not watches.is_within_limits and not views.is_within_limits
    said = {one.row: str(one) for each in measured(late.settings) for one in each.beyond}
    assert "What came in after that night" in said["user__watches_total"] and not untouched & said.keys()


def test_drift_is_told_by_feature_where_there_are_examples() -> None:
    chance = np.random.default_rng(1)
    ids = {"user_id": [f"u{n}" for n in range(400)], "video_id": [f"v{n}" for n in range(400)]}
    examples = pd.DataFrame({**ids, **{name: chance.normal(size=400) for name in ranker_features()}})
    scored = examples.assign(user__watches_7d=examples["user__watches_7d"] + 2, video__views_7d=np.nan)
    rows = {row["feature"]: row for row in quality(NIGHT, scored, examples, None)}
    assert {name for name, row in rows.items() if not row["is_within_limits"]} == {
        "user__watches_7d",
        "video__views_7d",
    }
    moved, gone = rows["user__watches_7d"], rows["video__views_7d"]
    assert moved["psi_beyond_chance"] > 0.25 and moved["null_shift"] == 0
    assert rows["days_since_published"]["psi"] == 0 and rows["days_since_published"]["psi_beyond_chance"] is None
    assert (gone["null_shift"] > 0.8, gone["scored_deciles"], gone["table_name"]) == (True, [], "gold.video_daily")


def test_a_feature_that_is_new_to_what_was_scored_or_to_the_examples_has_a_row_and_has_not_drifted() -> None:
    ids = {"user_id": [f"u{n}" for n in range(40)], "video_id": [f"v{n}" for n in range(40)]}
    whole = pd.DataFrame({**ids, **{name: np.arange(40.0) for name in ranker_features()}})
    scored, examples = whole.drop(columns="user__watches_7d"), whole.drop(columns="video__views_7d")
    rows = {row["feature"]: row for row in quality(NIGHT, scored, examples, None)}
    assert list(rows) == list(ranker_features())
    unscored, untaught = rows["user__watches_7d"], rows["video__views_7d"]
    assert (unscored["scored_null_share"], unscored["scored_deciles"]) == (1, []) and "psi" not in unscored
    assert untaught["scored_null_share"] == 0 and "psi" not in untaught and untaught["is_within_limits"]
    assert rows["video__views_total"]["psi"] == 0


def test_examples_of_earlier_code_are_read_without_the_features_and_the_source_that_are_new(tmp_path: Path) -> None:
    known = [name for name in ranker_features() if name not in ("user__watches_7d", "fresh_rank")]
    columns = {name: [1.0, 1.0, None] for name in known}
    at = [NOON] * 3
    ids = {"user_id": ["ann"] * 3, "video_id": ["cats", "dogs", "owls"], "shown_at": at, "at": at}
    told = {"event_date": [NIGHT] * 3, "position": [0] * 3, "label": [0] * 3, "is_judging": [True, False, True]}
    write_deltalake(tmp_path, pa.table({**ids, **told, **columns}))
    found = judging(DeltaTable(tmp_path), NIGHT)
    # Dogs teach, and no source proposed owls.
    assert list(found["video_id"]) == ["cats"] and set(known) <= set(found.columns)


@pytest.mark.parametrize("there", [0, 29, 30])
def test_of_fewer_than_thirty_viewers_with_a_value_no_drift_is_told(there: int) -> None:
    ids = {"user_id": [f"u{n}" for n in range(400)], "video_id": [f"v{n}" for n in range(400)]}
    examples = pd.DataFrame({**ids, **{name: np.arange(400.0) for name in ranker_features()}})
    scored = examples.assign(video__views_7d=np.where(np.arange(400) < there, 1.0, np.nan))
    rows = {row["feature"]: row for row in quality(NIGHT, scored, examples, None)}
    assert (rows["video__views_7d"]["psi_beyond_chance"] is None) == (there < 30)
    # All that has gone is told all the same, by the shares of NULL.
    assert rows["video__views_7d"]["null_shift"] > 0.5 and rows["user__watches_7d"]["psi_beyond_chance"] == 0
