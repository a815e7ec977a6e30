"""Another policy: for how many viewers it would change the feeds of a night."""

from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.engine.frames import frame_of
from jobs.feeds.build import Tonight
from jobs.feeds.policies import compared
from jobs.feeds.slots import Columns, catalogue_of
from jobs.ranking.features import AGE, ties
from jobs.ranking.orders import FIRST
from jobs.ranking.policy import OURS, read
from jobs.ranking.sources import registry


def test_a_policy_differs_for_those_whose_feeds_have_two_videos_of_a_creator(
    spark: SparkSession, tmp_path: Path
) -> None:
    videos = [("a0", "ann"), ("a1", "ann"), *((f"b{n:02}", f"b{n}") for n in range(20))]
    early, late = ["a0", "a1", "b00", "b01", "b02"], [*(f"b{n:02}" for n in range(12)), "a0", "a1", "b12", "b13"]
    rows = [
        (viewer, video, "item_item", 1.0, rank, "a0", None)
        for viewer, listed in {"early": early, "late": late, "none": late[:12]}.items()
        for rank, video in enumerate(listed, 1)
    ]
    said = "user_id string, video_id string, source string, score double, rank int, because string, facts array<double>"
    known = frame_of(spark, "video_id string, creator string", videos)
    catalogue = catalogue_of(known.select("*", F.lit("t").alias("title"), F.lit(0.0).alias(AGE)).toArrow(), ())
    night = Tonight(frame_of(spark, said, rows), catalogue, Columns(registry.SOURCES, ties(), ()), read(OURS))
    apart = tmp_path / "apart.yml"
    apart.write_text(OURS.read_text(encoding="utf-8").replace("value: 2", "value: 0", 1), encoding="utf-8")
    found = compared(night, FIRST, read(OURS), read(apart)).collect()
    assert sorted((row.top, row.feed) for row in found) == [(False, False), (False, True), (True, True)]
