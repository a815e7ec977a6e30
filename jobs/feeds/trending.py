"""Hands the lists of what rises to the endpoint, each hour after it has ended.

Belongs here: from gold.trending to the lists that clients read. What is listed: jobs/features/trending.py. Where the
lists lie: serving/feed_store/trending.py. The cards of videos are there already (jobs/media/cards.py).
"""

from __future__ import annotations

import logging

from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.runs import has_run
from jobs.engine.window import HOUR, Window
from jobs.errors import ReelmillError
from jobs.features.trending import TRENDING
from jobs.host.redis_server import redis_url
from serving.feed_store.shapes import TrendingItem, TrendingKind

# What an item says beside the card of its video, which lies there by itself.
ITEM = tuple(name for name in TrendingItem.model_fields if name != "video")
_log = logging.getLogger(__name__)


class NoLists(ReelmillError):
    """There is nothing to publish for the hour."""


@job(every="hour", reads=[TRENDING], writes=[])
def run(lake: Lake, window: Window) -> None:
    """Publish the lists of the window's last hour, unless later ones are.

    Those of an hour in which nothing rises are empty, which says so; an hour that was not looked at raises NoLists.
    """
    import redis

    from serving.feed_store.trending import publish

    rows = lake.read(TRENDING, since=window.end - HOUR, until=window.end)
    found = sorted(rows.select("kind", *ITEM).collect(), key=lambda row: row["rank"])
    if not found and not has_run("features.trending", window, lake.settings):
        raise NoLists(
            f"gold.trending has no row for the hour before {window.end:%Y-%m-%d %H:%M}, so nothing is published and "
            "readers keep the lists they have. Run it first: reelmill run features.trending "
            f"--start {window.start:%Y-%m-%dT%H:%MZ} --end {window.end:%Y-%m-%dT%H:%MZ}"
        )
    with redis_url(lake.settings) as url, redis.Redis.from_url(url, socket_timeout=60) as client:
        for kind in TrendingKind:
            items = [{name: row[name] for name in ITEM} for row in found if row["kind"] == kind]
            if not publish(client, kind, window.end, items):
                _log.warning("The list of trending %s of %s is not published: a later one is.", kind, window.end)
