"""What the tests of ranking share: a small platform, said in a few words."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

import data_contracts
from jobs.engine.frames import rows_of
from jobs.feeds.arms import Makers, alike
from jobs.feeds.build import Tonight, feeds, slots
from jobs.feeds.slots import Columns, catalogue_of
from jobs.ranking.features import AGE, ties
from jobs.ranking.model import InService
from jobs.ranking.orders import Order
from jobs.ranking.policy import OURS, read
from jobs.ranking.sources import registry

MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)
DAY = date(2024, 3, 9)
TONIGHT = MIDNIGHT + timedelta(days=9)

Make = Callable[..., DataFrame]


def at(day: int, hour: float = 0) -> datetime:
    """An hour of a day, counted from 2024-03-01."""
    return MIDNIGHT + timedelta(days=day, hours=hour)


def hour(n: float) -> datetime:
    return MIDNIGHT + timedelta(hours=n)


def proposed(frame: DataFrame, user: str, source: str) -> list[Row]:
    """What a source proposes to a user, best first."""
    return sorted((r for r in frame.collect() if (r.user_id, r.source) == (user, source)), key=lambda r: r["rank"])


def feeds_of(
    candidates: DataFrame, videos: DataFrame, system: InService | Order | Makers, share: float = 0
) -> list[Row]:
    """The slots of everybody's feed, in their order, where nothing is known of viewers and videos.

    That `share` of them is filled by chance.
    """
    known = videos.select("video_id", F.col("user_id").alias("creator"), "title", F.lit(0.0).alias(AGE))
    said = candidates.withColumn("facts", F.lit(None).cast("array<double>"))
    made = Tonight(said, catalogue_of(known.toArrow(), ()), Columns(registry.SOURCES, ties(), ()), read(OURS))
    makers = system if isinstance(system, Makers) else alike(system, read(OURS))
    return feeds(slots(made, makers, DAY, share), DAY, makers).orderBy("user_id", "position").collect()


@pytest.fixture(scope="session")
def watches_of(spark: SparkSession) -> Make:
    """silver.watches of (user_id, video_id, started_at, {column: value})."""

    def make(*said: tuple[Any, ...]) -> DataFrame:
        rows = []
        for user, video, started_at, *more in said:
            row: dict[str, Any] = {
                c.name: False for c in data_contracts.load("silver.watches").columns if c.type == "boolean"
            }
            row |= {"user_id": user, "video_id": video, "started_at": started_at, "share_watched": 1.0, "watch_ms": 9}
            row |= more[0] if more else {}
            row["is_finished"], row["is_skipped"] = row["share_watched"] >= 0.9, row["share_watched"] < 0.2
            rows.append(row)
        return rows_of(spark, "silver.watches", rows)

    return make


@pytest.fixture(scope="session")
def videos_of(spark: SparkSession) -> Make:
    """silver.videos of (video_id, {column: value}), published long ago by one creator each."""

    def make(*said: tuple[Any, ...]) -> DataFrame:
        rows = []
        for video, *more in said:
            row = {"video_id": video, "user_id": f"maker of {video}", "title": f"The {video}", "hashtags": []}
            row |= {"status": "published", "published_at": at(-1000), "source": "api", **(more[0] if more else {})}
            rows.append(row)
        return rows_of(spark, "silver.videos", rows)

    return make


@pytest.fixture(scope="session")
def events_of(spark: SparkSession) -> Make:
    """bronze.events: impressions of (user_id, video_id, event_at, position, feed_version if one was shown)."""

    def make(*said: tuple[Any, ...]) -> DataFrame:
        rows = [
            {"event_id": f"{u} {v} {when}", "user_id": u, "video_id": v, "event_type": "impression", "event_at": when}
            | {"position": position, "received_at": when, "feed_version": version[0] if version else None}
            for u, v, when, position, *version in said
        ]
        return rows_of(spark, "bronze.events", rows)

    return make


@pytest.fixture(scope="session")
def candidates_of(spark: SparkSession) -> Make:
    """gold.candidates of (event_date, user_id, video_id, source, score, rank)."""

    def make(*said: tuple[Any, ...]) -> DataFrame:
        columns = ("event_date", "user_id", "video_id", "source", "score", "rank")
        return rows_of(spark, "gold.candidates", [dict(zip(columns, row, strict=True)) for row in said])

    return make


@pytest.fixture
def followed(watches_of: Make) -> DataFrame:
    """Three viewers watch a, then b; one of them c much later. New has watched a."""
    told = [(user, "a", hour(1)) for user in ("ann", "ben", "cid")]
    told += [(user, "b", hour(2)) for user in ("ann", "ben", "cid")]
    return watches_of(*told, ("cid", "c", hour(3)), ("new", "a", hour(4)))


@pytest.fixture
def examples() -> pd.DataFrame:
    return drawn_examples()


def drawn_examples() -> pd.DataFrame:
    """100 viewers on 10 days with 6 videos each; `hint` tells the label, sources nothing. The newest day judges."""
    chance = np.random.default_rng(7)
    rows = 10 * 100 * 6
    label = chance.integers(0, 5, rows)
    moment = pd.date_range("2024-03-10", periods=10, freq="D").repeat(100 * 6)
    return pd.DataFrame(
        {
            "user_id": np.tile(np.repeat([f"u{n}" for n in range(100)], 6), 10),
            "video_id": np.tile([f"v{n}" for n in range(6)], 1000),
            "at": moment,
            "shown_at": moment + pd.Timedelta(hours=1),
            "position": pd.Series([None] * rows, dtype="Int32"),
            "label": label,
            "is_judging": moment == moment.max(),
            "item_item_rank": chance.permutation(rows) % 100 + 1,
            "popular_rank": chance.permutation(rows) % 60 + 1,
            "fresh_rank": np.full(rows, np.nan),
            "popularity_rank": chance.permutation(rows) % 60 + 1,
            "hint": label + chance.normal(0, 0.3, rows),
            "video__viewers_total": chance.integers(0, 50, rows),
        }
    )
