"""How many feeds a second a night makes of its candidates, as a ratio to the plain way of doing it, in the same run.

Belongs here: the measurement. It prints and asserts nothing: a ratio on a busy laptop is not a test.

    python bench/feeds.py [--viewers 20000] [--videos 10000] [--trees 200]

A lake is drawn with candidates of every source for everybody, up to its cap, features of all viewers and videos, and a
model of so many trees. Ours is the job itself, `feeds.build`, from the tables of the lake to the table of feeds,
contract checks included. The plain way takes one viewer after the other out of a frame that is ready in memory, lets
the model score the rows and keeps the best: what a loop in Python over LightGBM does. Besides, the rows a second that
the ranker scores are set against what a bare LightGBM does with the same rows, as an array that is ready.
"""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import lightgbm as lgb
import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

import data_contracts
from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.runner import run_job
from jobs.engine.spark import session
from jobs.engine.window import Window
from jobs.feeds import build
from jobs.feeds.slots import candidates_of
from jobs.pipeline import find
from jobs.ranking import model
from jobs.ranking.features import ranker_features
from jobs.ranking.rankers.lightgbm import PARAMETERS, LightGBM
from jobs.ranking.serving import promote
from jobs.ranking.sources import registry
from jobs.ranking.spacing import SLOTS
from jobs.settings import Settings

NIGHT = date(2026, 3, 1)
VERSION = "bench"
# Viewers whom the plain way serves, and rows that are scored in one go.
SAMPLED, ROWS = 200, 200_000
CREATORS = 500
# What a contract wants of a column, where a number of any kind would do.
PLAIN = {"bigint": "1L", "int": "1", "double": "0.5D", "boolean": "false", "string": "NULL", "timestamp": "NULL"}


def filled(rows: DataFrame, table: str, **columns: str) -> DataFrame:
    """`rows` with every column of a table: as given, or else anything that its contract allows."""
    described = data_contracts.load(table).columns
    made = [F.expr(columns.get(c.name, PLAIN.get(c.type, "NULL"))).cast(c.type).alias(c.name) for c in described]
    return rows.select(*made)


def chance(of: str) -> str:
    """A number in [0, 1) that hangs on some columns."""
    return f"pmod(xxhash64({of}), 1000000) / 1000000D"


def fill(lake: Lake, viewers: int, videos: int) -> None:
    """Everything that feeds are made of, drawn by hashing: the same in every run."""
    day, midnight = f"DATE '{NIGHT}'", f"TIMESTAMP '{NIGHT} 00:00:00'"
    known = {"event_date": f"date_sub({day}, 1)", "valid_from": midnight}
    video, viewer = "concat('v', id)", "concat('u', id)"
    published = f"timestamp_seconds(unix_seconds({midnight}) - CAST({chance('id')} * 8000000 AS BIGINT))"
    spark = lake.spark
    lake.merge("silver.videos", filled(
        spark.range(videos), "silver.videos", video_id=video, user_id=f"concat('c', id % {CREATORS})",
        title=video, hashtags="array()", status="'published'", source="'api'", published_at=published,
        duration_ms="10000L",
    ))  # fmt: skip
    dates = {"first_watch_date": known["event_date"], "last_watch_date": known["event_date"]}
    lake.merge("gold.user_daily", filled(spark.range(viewers), "gold.user_daily", user_id=viewer, **known, **dates))
    seen = {"first_view_date": known["event_date"], "last_view_date": known["event_date"]}
    lake.merge("gold.video_daily", filled(spark.range(videos), "gold.video_daily", video_id=video, **known, **seen))
    proposed = " UNION ALL ".join(
        # Each source walks through the videos from a place of its own: no video twice.
        f"SELECT id, '{source.name}' AS source, rank, {float(source.cap)}D / rank AS score, "
        f"pmod(xxhash64(id, '{source.name}') + 7 * rank, {videos}) AS video "
        f"FROM range({viewers}) LATERAL VIEW explode(sequence(1, {source.cap})) AS rank"
        for source in registry.SOURCES
    )
    lake.replace("gold.candidates", filled(
        spark.sql(proposed), "gold.candidates", event_date=day, user_id=viewer, video_id="concat('v', video)",
        source="source", score="score", rank="rank", because=f"concat('v', pmod(id, {videos}))",
    ), Window.of_day(NIGHT))  # fmt: skip


def grown(trees: int) -> lgb.Booster:
    """So many trees over the ranker's features, of labels that hang on them: only how long they take matters."""
    features = list(ranker_features())
    drawn = np.random.default_rng(1)
    rows = drawn.random((20_000, len(features)), dtype=np.float32) * 100
    labels = (rows[:, 0] + rows[:, 1] * drawn.random(len(rows)) > 90).astype(int)
    sizes = np.full(len(rows) // 100, 100)
    data = lgb.Dataset(rows, labels, group=sizes, feature_name=features)
    return lgb.train({**PARAMETERS, "learning_rate": 0.01}, data, num_boost_round=trees)


def serve(lake: Lake, booster: lgb.Booster) -> None:
    """Let the booster order the night's feeds."""
    path, at = f"{VERSION}.txt", datetime(2026, 2, 1, tzinfo=UTC)
    model.save(lake.settings.models, path, booster.model_to_string().encode())
    row = {
        "model_version": VERSION, "model_name": LightGBM.name, "event_date": NIGHT - timedelta(days=1), "path": path,
        "verdict": "promoted", "why": "drawn", "ndcg_at_10": 0.5, "popularity_ndcg_at_10": 0.1,
        "item_item_ndcg_at_10": 0.1, "evaluated_from": at, "evaluated_groups": 1, "evaluated_viewers": 1,
        "trained_until": at - timedelta(days=1), "trained_rows": 1, "watches": 1,
        "trees": booster.num_trees(), "parameters": "{}", "data": "{}",
    }  # fmt: skip
    lake.merge(model.MODELS, rows_of(lake.spark, model.MODELS, [row]))
    promote(lake, VERSION, NIGHT - timedelta(days=1), "to be measured")


def looped(rows: pd.DataFrame, booster: lgb.Booster) -> float:
    """Feeds a second of a loop over viewers."""
    features = booster.feature_name()
    people = rows["viewer"].unique()
    begun = time.monotonic()
    for person in people:
        own = rows[rows["viewer"] == person]
        scores = booster.predict(own[features].to_numpy(dtype=np.float32, na_value=np.nan), num_threads=2)
        best = own.iloc[np.argsort(-np.asarray(scores), kind="stable")[:SLOTS]]
        assert len(best["video"].tolist()) == SLOTS
    return len(people) / (time.monotonic() - begun)


def rows_a_second(rows: pd.DataFrame, booster: lgb.Booster) -> tuple[float, float]:
    """What the ranker scores of frames as they come, and a bare LightGBM of an array; one thread each, in turns."""
    trees = LightGBM().load(booster.model_to_string().encode())
    matrix = rows[booster.feature_name()].to_numpy(dtype=np.float32, na_value=np.nan)
    seconds = {"ours": 0.0, "bare": 0.0}
    for _ in range(3):
        for name, score in (
            ("bare", lambda: booster.predict(matrix, num_threads=1)),
            ("ours", lambda: trees.score(rows)),
        ):
            begun = time.monotonic()
            score()
            seconds[name] += time.monotonic() - begun
    return 3 * len(rows) / seconds["ours"], 3 * len(rows) / seconds["bare"]


@click.command(help=__doc__)
@click.option("--viewers", default=20_000, show_default=True)
@click.option("--videos", default=10_000, show_default=True)
@click.option("--trees", default=200, show_default=True)
def main(viewers: int, videos: int, trees: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        spark = session(settings)
        lake = Lake(spark, settings)
        fill(lake, viewers, videos)
        booster = grown(trees)
        serve(lake, booster)
        begun = time.monotonic()
        run_job(find("feeds.build"), Window.of_day(NIGHT), spark, settings)
        ours = viewers / (time.monotonic() - begun)
        people, slots = lake.read("gold.feeds").agg(F.countDistinct("user_id"), F.count("*")).collect()[0]
        some = lake.read("gold.candidates").where(F.col("user_id").isin([f"u{n}" for n in range(SAMPLED)]))
        at = datetime.combine(NIGHT, datetime.min.time(), UTC) + timedelta(days=1)
        known = build.tonight(lake, some, at)
        made = candidates_of(known.said.toArrow(), known.catalogue, known.columns)
        spark.stop()
    plain = looped(made.frame.assign(viewer=made.viewer, video=made.video), booster)
    many = pd.concat([made.frame] * (1 + ROWS // len(made.frame)), ignore_index=True)
    scored, bare = rows_a_second(many, booster)
    table = Table("", "ours", "plain", "ratio")
    table.add_row(
        f"feeds a second ({people:,} viewers, {slots:,} slots)", f"{ours:.0f}", f"{plain:.0f}", f"{ours / plain:.1f}"
    )
    table.add_row(
        f"rows scored a second, {booster.num_trees()} trees", f"{scored:,.0f}", f"{bare:,.0f}", f"{scored / bare:.2f}"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
