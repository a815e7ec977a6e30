"""Everybody's feed for tonight: candidates, scored by what serves, spaced, each slot with its reason.

Belongs here: the feeds of a night and their reasons. The candidates, the ranker and the policy: jobs/ranking. Handing
feeds to the endpoint: publish.py.

Scoring runs in Spark tasks over Arrow batches: the ranker is a file of some hundred kilobytes that travels with the
task, so it takes as many viewers as there are tasks, and no join.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.runs import has_run
from jobs.engine.window import Window
from jobs.ranking.features import side_by_side, ties, with_age
from jobs.ranking.model import InService
from jobs.ranking.orders import FIRST, Order
from jobs.ranking.serving import PROMOTIONS, VERDICTS, serving
from jobs.ranking.sources import registry
from jobs.ranking.spacing import spaced
from serving.feed_store.layout import version_of

if TYPE_CHECKING:
    import pandas as pd


def scored(rows: DataFrame, served: InService | Order) -> DataFrame:
    """user_id, video_id, score of rows with the ranker's features.

    Candidates that a source did not propose have its order's score in common: `ties` are kept to order them by.
    """
    ranks = ties()

    def score_batches(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        system = served.load()
        for batch in batches:
            yield batch[["user_id", "video_id", *ranks]].assign(score=system.score(batch))

    schema = ["user_id string", "video_id string", *[f"{rank} int" for rank in ranks], "score double"]
    return rows.mapInPandas(score_batches, ", ".join(schema))


def reasons(candidates: DataFrame, videos: DataFrame) -> DataFrame:
    """user_id, video_id, reason: what the first source that proposes the video went by, in its words."""
    places = F.coalesce(*[F.when(F.col("source") == s.name, place) for place, s in enumerate(registry.SOURCES)])
    first = F.min_by(F.struct("source", "because"), places)
    one = candidates.groupBy("user_id", "video_id").agg(first.alias("first")).select("user_id", "video_id", "first.*")
    titles = videos.select(F.col("video_id").alias("because"), _title().alias("title"))
    words = [F.when(F.col("source") == s.name, s.reason(F.col("because"), F.col("title"))) for s in registry.SOURCES]
    return one.join(titles, on="because", how="left").select("user_id", "video_id", F.coalesce(*words).alias("reason"))


def feeds(slots: DataFrame, why: DataFrame, day: date, model_version: str) -> DataFrame:
    """The rows of gold.feeds from `spaced` and `reasons`."""
    return slots.join(why, on=["user_id", "video_id"], how="inner").select(
        "user_id",
        F.col("position").cast("int").alias("position"),
        F.lit(version_of(day, model_version)).alias("feed_version"),
        F.lit(day).alias("event_date"),
        "video_id",
        "score",
        "reason",
        F.lit(model_version).alias("model_version"),
    )


def features(lake: Lake, candidates: DataFrame, at: datetime) -> DataFrame:
    """The ranker's features of tonight's candidates (user_id, video_id, source, score, rank), as known at `at`."""
    from jobs.features.store import as_of

    videos = lake.read("silver.videos", until=at)
    known = with_age(side_by_side(candidates.withColumn("at", F.lit(at))), videos)
    return as_of(lake, known, at)


def _title() -> Column:
    return F.coalesce(F.when(F.trim("title") != "", F.col("title")), F.col("video_id"))


@job(
    every="night",
    reads=[
        "gold.candidates",
        "gold.models",
        VERDICTS,
        PROMOTIONS,
        "gold.user_daily",
        "gold.video_daily",
        "silver.videos",
    ],
    writes=["gold.feeds"],
)
def run(lake: Lake, window: Window) -> None:
    candidates = lake.of("gold.candidates", window)
    videos = lake.read("silver.videos", until=window.end).select("video_id", "user_id", "title")
    last = serving(lake, window.day + timedelta(days=1))
    served = last.system if last else FIRST
    slots = spaced(scored(features(lake, candidates, window.end), served), videos)
    built = feeds(slots, reasons(candidates, videos), window.day, served.version)
    # Without a candidate there is no feed: a fact if that is what the night's candidates came to.
    lake.replace("gold.feeds", built, window, empty_is_a_fact=has_run("ranking.candidates", window, lake.settings))
