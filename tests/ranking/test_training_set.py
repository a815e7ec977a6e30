"""The training set as it leaves the table."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.ranking.training_set import EXAMPLES, of_night
from jobs.settings import Settings
from tests.ranking.conftest import at

FEATURES = ("item_item_rank", "popular_score", "user__watches_7d")


@pytest.fixture
def two_nights(spark: SparkSession, settings: Settings) -> Lake:
    lake = Lake(spark, settings.model_copy(update={"checks": False}))
    for night, label in ((date(2024, 3, 4), 1), (date(2024, 3, 5), 4)):
        row: dict[str, Any] = {"event_date": night, "user_id": "ann", "video_id": "cats", "label": label}
        row |= {"shown_at": at(3, hour=9), "at": at(3), "position": 7, "item_item_rank": 3, "user__watches_7d": 16}
        row |= {"is_judging": label == 4}
        lake.replace(EXAMPLES, rows_of(spark, EXAMPLES, [row]), Window.of_day(night))
    return lake


def test_a_night_is_read_with_its_own_rows_in_utc_and_features_that_are_unknown_stay_so(two_nights: Lake) -> None:
    (row,) = of_night(two_nights.tables.open(EXAMPLES), date(2024, 3, 5), FEATURES).to_dict("records")
    assert (row["user_id"], row["video_id"], row["position"], row["label"]) == ("ann", "cats", 7, 4)
    assert row["is_judging"] is True
    assert (row["at"], row["shown_at"]) == (pd.Timestamp("2024-03-04"), pd.Timestamp("2024-03-04 09:00"))
    assert [row[f] for f in FEATURES] == [3, pytest.approx(np.nan, nan_ok=True), 16]
    rows = of_night(two_nights.tables.open(EXAMPLES), date(2024, 3, 5), FEATURES)
    assert {str(t) for t in rows[list(FEATURES)].dtypes} == {"float32"}
