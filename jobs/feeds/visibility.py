"""Says which videos are limited or dropped, and by which rule; tells the endpoint, which heeds it on the next read.

Belongs here: the rows of gold.visibility, as of the end of each night, and telling the endpoint at any time, as after a
change of rules. The rules: jobs/media/visibility.py. A night leaves what they hide out of what it proposes and
publishes. What the endpoint lets go of: serving/feed_store/hidden.py.
"""

from __future__ import annotations

from datetime import date, datetime
from itertools import islice

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.frames import frame_of
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.feeds import publish
from jobs.host.locks import alone
from jobs.host.redis_server import redis_url
from jobs.media.status import published
from jobs.media.visibility import Action, Rules, rules_of

VIDEOS, VISIBILITY = "silver.videos", "gold.visibility"
# Ids that are handed over at once.
AT_ONCE = 10_000


def visibility(videos: DataFrame, rules: Rules, day: date, at: datetime) -> DataFrame:
    """The rows of gold.visibility: the published videos that a rule decides at an instant."""
    decided = rules.decided(published(videos), at).where(F.col("rule").isNotNull()).withColumnRenamed("rule", "decides")
    schema = "rule string, action string, why string, until timestamp"
    said = [(rule.name, rule.action.value, rule.why, rule.until) for rule in rules.rules]
    named = frame_of(videos.sparkSession, f"place int, {schema}", [(n, *one) for n, one in enumerate(said)])
    return decided.join(F.broadcast(named), on=F.col("decides") == F.col("place")).select(
        F.lit(day).alias("event_date"),
        "video_id",
        F.col("user_id").alias("creator_id"),
        *[named[name] for name in ("rule", "action", "why", "until")],
    )


def tell(decided: DataFrame, url: str) -> int:
    """Let the endpoint forget what is limited or dropped; returns how many videos. What comes back, a night brings."""
    import redis

    from serving.feed_store.hidden import hide

    hidden = decided.where(F.col("action") != Action.ALLOW).select("video_id", "action").toLocalIterator()
    many = 0
    with redis.Redis.from_url(url, socket_timeout=60) as client:
        while some := {row["video_id"]: row["action"] == Action.DROP for row in islice(hidden, AT_ONCE)}:
            hide(client, some)
            many += len(some)
    return many


def apply(lake: Lake, at: datetime) -> int:
    """Tell the endpoint what the rules say at an instant; returns how many videos are limited or dropped."""
    # Or a night that is being published by the rules of before would bring them back.
    with alone(lake.settings, publish.run.name), redis_url(lake.settings) as url:
        return tell(visibility(lake.read(VIDEOS), rules_of(lake.settings), at.date(), at), url)


@job(every="night", reads=[VIDEOS], writes=[VISIBILITY])
def run(lake: Lake, window: Window) -> None:
    """Where no rule matches anything, that is a fact."""
    rows = visibility(lake.read(VIDEOS, until=window.end), rules_of(lake.settings), window.day, window.end)
    lake.replace(VISIBILITY, rows, window, empty_is_a_fact=True)
