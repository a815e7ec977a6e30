"""What it saves to compute daily features over change days in one pass, as ratios to the plain ways, in the same run.

Belongs here: the measurement. It prints and asserts nothing: a ratio on a busy laptop is not a test.

    python bench/change_days.py [--watches 100000] [--days 730] [--rounds 2]

The plain ways are a dense grid (a row for every video and every day since its first view, then range windows; what
most feature pipelines do) and a run per day (one day after the other, as without catch-up; measured over ten days and
scaled to all). All three make the same state for any day; the dense grid and the one pass are compared row by row
before anything is timed. The world is drawn by hashing, the same in every run: a few videos
have most of the views.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from statistics import median

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import Window as Over
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

from jobs.engine.spark import session
from jobs.engine.window import Window
from jobs.features.videos import VIDEO_DAILY
from jobs.settings import Settings

FIRST = date(2024, 1, 1)
SAMPLED_DAYS = 10
FLAGS = ("finished", "skipped", "liked", "shared")


def world(spark: SparkSession, watches: int, days: int) -> DataFrame:
    """Watches over `days` days; the chance of a video falls with its number."""

    def chance(name: str) -> str:
        return f"pmod(xxhash64(id, '{name}'), 1000000) / 1000000D"

    return spark.range(watches).select(
        F.expr(f"CAST(CAST(pow({chance('user')}, 2) * 2000 AS INT) AS STRING)").alias("user_id"),
        F.expr(f"CAST(CAST(pow({chance('video')}, 3) * 5000 AS INT) AS STRING)").alias("video_id"),
        F.expr(f"timestamp_seconds(unix_seconds(TIMESTAMP '{FIRST}') + {chance('at')} * {days} * 86400)").alias(
            "started_at"
        ),
        F.expr(f"round({chance('share')}, 6)").alias("share_watched"),
        *[F.expr(f"{chance(flag)} < 0.2").alias(f"is_{flag}") for flag in FLAGS],
        *[F.lit(None).cast("timestamp").alias(f"{flag}_at") for flag in FLAGS[1:]],
    )


def dense_grid(watches: DataFrame, window: Window) -> DataFrame:
    """Sums of a video on every day since its first view, with range windows. No distinct viewers: they have no sum."""
    daily = watches.groupBy("video_id", F.to_date("started_at").alias("event_date")).agg(
        F.count(F.lit(1)).alias("views"), *[F.count_if(f"is_{flag}").alias(flag) for flag in FLAGS]
    )
    first = daily.groupBy("video_id").agg(F.min("event_date").alias("first"))
    grid = first.select("video_id", F.explode(F.sequence("first", F.lit(window.day))).alias("event_date"))
    dense = grid.join(daily, on=["video_id", "event_date"], how="left")
    by_video = Over.partitionBy("video_id").orderBy(F.datediff("event_date", F.lit(FIRST)))
    spans = {"7d": -6, "28d": -27, "total": Over.unboundedPreceding}
    sums = [
        F.coalesce(F.sum(name).over(by_video.rangeBetween(since, 0)), F.lit(0)).alias(f"{name}_{span}")
        for name in ("views", *FLAGS)
        for span, since in spans.items()
    ]
    return dense.select("video_id", "event_date", *sums)


def seconds(work: Callable[[], DataFrame]) -> float:
    """Wall seconds to compute every column of every row."""
    started = time.perf_counter()
    work().write.format("noop").mode("overwrite").save()
    return time.perf_counter() - started


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--watches", type=int, default=100_000)
    options.add_argument("--days", type=int, default=730)
    options.add_argument("--rounds", type=int, default=2)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as home:
        spark = session(Settings(home=Path(home)), "bench")
        try:
            report(spark, chosen.watches, chosen.days, chosen.rounds)
        finally:
            spark.stop()


def report(spark: SparkSession, count: int, days: int, rounds: int) -> None:
    watches = world(spark, count, days).persist()
    watches.count()
    last = FIRST + timedelta(days=days - 1)
    window = Window.of_days(FIRST, last)
    sampled = [Window.of_day(last - timedelta(days=n)) for n in range(SAMPLED_DAYS)]

    one_pass, grid = VIDEO_DAILY.changes(window, watches), dense_grid(watches, window)
    sums = ["video_id", "event_date", "views_7d", "views_28d", "views_total"]
    differing = one_pass.select(sums).exceptAll(grid.select(sums)).count()
    if differing:
        raise AssertionError(f"{differing} rows of the one pass are not in the dense grid")

    took: dict[str, list[float]] = {"one pass over change days": [], "dense grid": [], "a run per day": []}
    for _ in range(rounds):
        took["one pass over change days"].append(seconds(lambda: VIDEO_DAILY.changes(window, watches)))
        took["dense grid"].append(seconds(lambda: dense_grid(watches, window)))
        by_day = sum(seconds(partial(VIDEO_DAILY.changes, day, watches)) for day in sampled)
        took["a run per day"].append(by_day / SAMPLED_DAYS * days)

    table = Table(title=f"gold.video_daily: {count:,} watches over {days} days")
    for column in ("way", "rows", "seconds", "ratio"):
        table.add_column(column, justify="left" if column == "way" else "right")
    rows = {"one pass over change days": one_pass.count(), "dense grid": grid.count()}
    best = median(took["one pass over change days"])
    for way, times in took.items():
        made = f"{rows[way]:,}" if way in rows else "the same"
        table.add_row(way, made, f"{median(times):.1f}", f"{median(times) / best:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
