"""Puts what the hours of the last day came to online, in Redis, right after the jobs that count them.

Belongs here: the hourly push. What is so as of the end of a day: materialise.py. What an hour counts: hourly.py.

Feast has the newest hour of each video and hashtag, and as its event time the instant at which that hour was over. Who
asks sees by it whether that is the last hour; if not, nothing happened since. Each push writes the hours of a whole
day, which brings what late events changed in them and fills a Redis that lost its data. What is older stays as it was
pushed while the video or hashtag is online. A run for an old hour pushes the newest ones, since it must not turn
anything back.

What was pushed is in a registry of its own, `hourly.db` beside that of the night: both jobs may run at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pyspark.sql import functions as F

from feature_repo.definitions import TIMESTAMP, by_the_hour, online_views
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window, of_micros
from jobs.features.store import feature_store, online_url, publish_registry, quiet
from jobs.host.redis_server import redis_url, take

HOURLY = {view: contract for view, contract in online_views().items() if by_the_hour(contract)}
LATELY = timedelta(days=1)


def materialise_hourly(lake: Lake, url: str, until: datetime) -> None:
    """Write the newest hour of everything that has one in the day before `until`, or later, to the Redis at `url`."""
    newest = {}
    for view, contract in HOURLY.items():
        # Before anybody watched anything there is no table.
        if not lake.exists(contract.table):
            continue
        rows = lake.read(contract.table, since=until - LATELY)
        row = rows.agg(F.unix_micros(F.max(TIMESTAMP)).alias("newest")).first()
        if row is not None and row["newest"] is not None:
            newest[view] = of_micros(row["newest"])
    if not newest:
        return
    last = max(until, *newest.values())
    store = feature_store(lake, [HOURLY[view] for view in newest], url)
    with quiet():
        store.materialize(last - LATELY, last, feature_views=list(newest))
    publish_registry(store, lake.settings.registry / "hourly.db")


@job(every="hour", reads=[contract.table for contract in HOURLY.values()], writes=[])
def run(lake: Lake, window: Window) -> None:
    with redis_url(lake.settings) as url:
        take(online_url(url), lake.settings)
        materialise_hourly(lake, url, window.end)
