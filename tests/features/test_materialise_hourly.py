"""What hours came to is online right after them: the newest hour of the last day, as the table has it."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from feature_repo.definitions import features
from jobs.engine.lake import Lake
from jobs.engine.window import HOUR
from jobs.features.materialise_hourly import HOURLY, LATELY, materialise_hourly
from jobs.features.store import feature_store, quiet
from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from tests.contracted import put

# PySpark leaves the socket of every collect() to the garbage collector, Feast that of its Redis client.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)
UNTIL = MIDNIGHT + 48 * HOUR
VIDEOS = [f"v{n}" for n in range(9)]
VIEW = "video_hour"
TABLE, NAMES = HOURLY[VIEW].table, [column.name for column in features(HOURLY[VIEW])]

Row = dict[str, Any]


def hour_of(video: str, hour: int, chance: Random) -> Row:
    """A row of a video in an hour, counted from MIDNIGHT."""
    start = MIDNIGHT + hour * HOUR
    counts = {name: chance.randrange(100) for name in NAMES}
    return {"video_id": video, "hour_start": start, "valid_from": start + HOUR, **counts}


def online(settings: Settings, spark: SparkSession, url: str) -> dict[str, Row]:
    """What Feast answers of each video: the features, and when their hour was over, in seconds."""
    store = feature_store(Lake(spark, settings), HOURLY.values(), url)
    with quiet():
        asked = [{"video_id": video} for video in VIDEOS]
        answer = store.get_online_features([f"{VIEW}:{name}" for name in NAMES], asked)
    found = answer.to_dict(include_event_timestamps=True)
    return {
        video: {**{name: found[name][n] for name in NAMES}, "over": found[f"{NAMES[0]}__ts"][n]}
        for n, video in enumerate(VIDEOS)
    }


def newest(rows: list[Row]) -> dict[str, Row]:
    """The same, found by looking at every row."""
    nothing = {**dict.fromkeys(NAMES), "over": 0}
    states = dict.fromkeys(VIDEOS, nothing)
    for row in sorted(rows, key=lambda row: row["hour_start"]):
        if row["valid_from"] >= UNTIL - LATELY:
            over = int(row["valid_from"].timestamp())
            states[row["video_id"]] = {**{name: row[name] for name in NAMES}, "over": over}
    return states


def test_what_is_online_of_a_video_is_its_newest_hour_of_the_last_day_and_late_events_correct_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    settings, chance = Settings(home=tmp_path), Random(7)
    hours = {(chance.choice(VIDEOS[1:-1]), chance.randrange(48)) for _ in range(24)}
    rows, last = [hour_of(*hour, chance) for hour in sorted(hours)], hour_of(VIDEOS[0], 47, chance)
    # Before the first hourly run there is nothing, and nothing fails.
    for contract in HOURLY.values():
        put(settings, contract.table)
    with redis_url(settings) as url:
        materialise_hourly(Lake(spark, settings), url, UNTIL)
        put(settings, TABLE, *rows, last)
        # A run for an old hour pushes the newest ones too.
        materialise_hourly(Lake(spark, settings), url, MIDNIGHT + 30 * HOUR)
        assert online(settings, spark, url) == newest([*rows, last])
        late = {**last, **dict.fromkeys(NAMES, 100)}
        Lake(spark, settings).tables.open(TABLE).delete(f"video_id = '{VIDEOS[0]}'")
        put(settings, TABLE, late)
        materialise_hourly(Lake(spark, settings), url, UNTIL)
        assert online(settings, spark, url) == newest([*rows, late])
    from feast.protos.feast.core.Registry_pb2 import Registry

    # What was pushed is there for whoever reads through Feast; no hashtag had an hour.
    published = Registry.FromString((settings.registry / "hourly.db").read_bytes())
    assert [view.spec.name for view in published.feature_views] == [VIEW]
