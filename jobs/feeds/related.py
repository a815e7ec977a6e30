"""Hands the lists of similar videos to the endpoint, each night.

Belongs here: from gold.similar_videos, whose sources each have a list, to the one list that clients read. What is
similar: jobs/ranking/similar.py. Where the lists lie: serving/feed_store/related.py. The cards of videos are there
already (jobs/media/cards.py).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime

from pyspark.sql import DataFrame, Row
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.host.redis_server import redis_url
from jobs.media.visibility import rules_of
from jobs.ranking.lists import RRF

# Sums of integers are the same in every order.
_UNITS = 10**9
_log = logging.getLogger(__name__)


def related(similar: DataFrame, videos: DataFrame, most: int) -> DataFrame:
    """video_id and `others`, the ids of at most so many videos, nearest first, of what is published now.

    The fusion of all sources: 1 / (RRF + rank), summed over them.
    """
    published = videos.where("status = 'published'").select("video_id")
    fused = F.sum((_UNITS / (F.lit(RRF) + F.col("rank"))).cast("bigint"))
    place = F.row_number().over(Over.partitionBy("video_id").orderBy(F.desc("fused"), "neighbour_id"))
    return (
        similar.join(published, on="video_id", how="left_semi")
        .join(published.withColumnRenamed("video_id", "neighbour_id"), on="neighbour_id", how="left_semi")
        .groupBy("video_id", "neighbour_id")
        .agg(fused.alias("fused"))
        .withColumn("place", place)
        .where(F.col("place") <= most)
        .groupBy("video_id")
        .agg(F.sort_array(F.collect_list(F.struct("place", "neighbour_id"))).alias("placed"))
        .select("video_id", F.col("placed.neighbour_id").alias("others"))
    )


def hand_over(lists: DataFrame, url: str, night: date) -> bool:
    """Write the lists of a night, unless those of a later one are there; returns whether they are written.

    By their own connection from each task: the lists of a catalogue never pass through one process.
    """
    import redis

    from serving.feed_store.related import begin, write

    def write_lists(rows: Iterator[Row]) -> None:
        with redis.Redis.from_url(url, socket_timeout=60) as client:
            write(client, ((row["video_id"], row["others"]) for row in rows))

    with redis.Redis.from_url(url, socket_timeout=60) as client:
        if not begin(client, night):
            return False
    lists.foreachPartition(write_lists)
    return True


@job(every="night", reads=["gold.similar_videos", "silver.videos"], writes=[])
def run(lake: Lake, window: Window) -> None:
    """Publish the lists of the night, unless those of a later one are. Of a night without any, the ones before stay."""
    from serving.feed_store.related import MOST

    # As of now, as everything that says whether a video may be shown.
    listable = rules_of(lake.settings).as_rejected(lake.read("silver.videos"), datetime.now(UTC))
    lists = related(lake.of("gold.similar_videos", window), listable, MOST)
    with redis_url(lake.settings) as url:
        if not hand_over(lists, url, window.day):
            _log.warning("The lists of similar videos of %s are not published: later ones are.", window.day)
