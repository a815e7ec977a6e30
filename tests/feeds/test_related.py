"""The lists of similar videos as clients read them: one of all sources, of what is published, of the newest night."""

from datetime import date
from pathlib import Path

import redis
from pyspark.sql import SparkSession

from jobs.engine.frames import frame_of
from jobs.feeds.related import hand_over, related
from jobs.host.redis_server import redis_url
from jobs.settings import Settings

NIGHT, EARLIER = date(2024, 3, 2), date(2024, 3, 1)


def test_sources_are_fused_without_what_is_withdrawn_and_an_earlier_night_changes_nothing(
    spark: SparkSession, tmp_path: Path
) -> None:
    videos = frame_of(
        spark, "video_id string, status string", [*((one, "published") for one in "abcd"), ("gone", "rejected")]
    )
    # By one source b is nearest and gone comes next; c is in both lists, which says more.
    lists = {("item_item", "a"): ["b", "gone", "c"], ("walk", "a"): ["c", "d"], ("walk", "gone"): ["a"]}
    rows = [(*of, other, rank) for of, others in lists.items() for rank, other in enumerate(others, 1)]
    similar = frame_of(spark, "source string, video_id string, neighbour_id string, rank int", rows)
    with redis_url(Settings(home=tmp_path)) as url, redis.Redis.from_url(url) as client:
        assert hand_over(related(similar, videos, 2), url, NIGHT)
        assert not hand_over(related(similar, videos, 1), url, EARLIER)
        assert client.keys("related:*") == [b"related:a"]
        assert client.get("related:a") == b"c\nb"
