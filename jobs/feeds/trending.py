"""Hands the lists of what rises to the endpoint, each hour after it has ended.

Belongs here: from gold.trending to the lists that clients read. What is listed: jobs/features/trending.py. Where the
lists lie: serving/feed_store/trending.py. The cards of videos are there already (jobs/media/cards.py).
"""

from __future__ import annotations

import logging
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.runs import done_until
from jobs.engine.window import HOUR, Window
from jobs.errors import ReelmillError
from jobs.features.trending import TRENDING
from jobs.host.redis_server import redis_url
from jobs.media.visibility import Action, Rules, rules_of
from serving.feed_store.shapes import TrendingItem, TrendingKind

LOOKING, VIDEOS = "features.trending", "silver.videos"
# What an item says beside the card of its video, which lies there by itself.
ITEM = tuple(name for name in TrendingItem.model_fields if name != "video")
_log = logging.getLogger(__name__)


class NoLists(ReelmillError):
    """No hour was looked at yet."""


def listable(listed: DataFrame, videos: DataFrame, rules: Rules, at: datetime) -> DataFrame:
    """The lists (kind, id and more) without the videos that a rule of visibility limits or drops."""
    hidden = rules.decided(videos, at).where(rules.is_for(Action.LIMIT, Action.DROP))
    theirs = hidden.select(F.lit(TrendingKind.VIDEOS).alias("kind"), F.col("video_id").alias("id"))
    return listed.join(theirs, on=["kind", "id"], how="left_anti")


@job(every="hour", reads=[TRENDING, VIDEOS], writes=[])
def run(lake: Lake, window: Window) -> None:
    """Publish the lists of the newest hour before the window's end that was looked at, unless later ones are.

    Where nothing rises they are empty, which says so. Raises NoLists.
    """
    import redis

    from serving.feed_store.trending import publish

    end = done_until(LOOKING, window.end, lake.settings)
    if end is None:
        raise NoLists(
            f"{LOOKING} has looked at no hour before {window.end:%Y-%m-%d %H:%M}, so nothing is published and readers "
            f"keep the lists they have. Run it first: reelmill run {LOOKING} --start {window.start:%Y-%m-%dT%H:%MZ} "
            f"--end {window.end:%Y-%m-%dT%H:%MZ}"
        )
    listed = lake.read(TRENDING, since=end - HOUR, until=end).select("kind", *ITEM)
    found = listable(listed, lake.read(VIDEOS), rules_of(lake.settings), window.end).orderBy("rank").collect()
    with redis_url(lake.settings) as url, redis.Redis.from_url(url, socket_timeout=60) as client:
        for kind in TrendingKind:
            items = [{name: row[name] for name in ITEM} for row in found if row["kind"] == kind]
            if not publish(client, kind, end, items):
                _log.warning("The list of trending %s of %s is not published: a later one is.", kind, end)
