"""Puts the newest features of every viewer, video, creator and hashtag online, in Redis, where Feast serves them.

Belongs here: the nightly push of what is so as of the end of a day, and the proof that it arrived. What an hour came
to: materialise_hourly.py. Which tables are pushed: feature_repo/. Fetching features in a batch: store.py. Feeds in
Redis: serving/feed_store/; they use another database.

Every entity is written every night, not only those that changed: it corrects what late events changed, it fills a
Redis that lost its data, and it lets a TTL drop whoever left the tables. Where the tables go further than this window,
so does the push, since a re-run of an old night must not turn the features back. Feast keeps one hash per entity, with
the features of every view over the same keys, so what is counted is entities and not rows of views.

What was pushed is said by the registry, `registry.db` in settings.registry, for whoever reads features through Feast:
the definitions, the version of each table, and until when.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import cast

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from data_contracts import Contract
from feature_repo.definitions import TIMESTAMP, by_the_hour, entity_keys, online_views
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.errors import ReelmillError
from jobs.features.store import feature_store, online_url, publish_registry, quiet
from jobs.host.redis_server import redis_url, take
from serving.feed_store.layout import HOME

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class NotAllOnline(ReelmillError):
    """Redis holds fewer entities after the push than the tables."""


def materialise(lake: Lake, url: str, until: datetime) -> dict[str, int]:
    """Write the features of every entity, as known at `until` or later, to the Redis at `url`.

    Returns how many entities there are of each kind, by the name of its key (`user_id`, or `hashtag, user_id`), without
    the kinds that have none at all. Raises TableMissing when a feature table is not there, and NotAllOnline when Redis
    does not hold as many afterwards.
    """
    import redis

    # A world without hashtags, or one in which nobody watched anything yet, has nothing of that kind to push.
    filled = {view: contract for view, contract in _daily_views().items() if lake.span(contract.table)}
    if not filled:
        return {}
    kinds: dict[tuple[str, ...], list[Contract]] = {}
    for contract in filled.values():
        kinds.setdefault(tuple(sorted(entity_keys(contract))), []).append(contract)
    states = {", ".join(keys): _state(lake, keys, contracts) for keys, contracts in kinds.items()}
    entities = {kind: count for kind, (count, _) in states.items()}
    until = max(until, *(newest for _, newest in states.values()))
    store = feature_store(lake, _daily_views().values(), url)
    with quiet():
        store.materialize(BEGINNING, until, feature_views=list(filled))
    client = redis.Redis.from_url(online_url(url))
    try:
        # Beside entities there is the mark of whose database it is.
        online = cast(int, client.dbsize()) - cast(int, client.exists(HOME))
    finally:
        client.close()
    if online < sum(entities.values()):
        raise NotAllOnline(
            f"Redis holds {online} entities after the push, the tables {entities}. "
            "Its memory limit may evict keys (`redis-cli info memory`); run features.materialise again."
        )
    publish_registry(store, lake.settings.registry / "registry.db")
    return entities


def _daily_views() -> dict[str, Contract]:
    """What is online as of the end of a day."""
    return {view: contract for view, contract in online_views().items() if not by_the_hour(contract)}


@job(every="night", reads=[contract.table for contract in _daily_views().values()], writes=[])
def run(lake: Lake, window: Window) -> None:
    with redis_url(lake.settings) as url:
        take(online_url(url), lake.settings)
        materialise(lake, url, window.end)


def _state(lake: Lake, keys: tuple[str, ...], contracts: list[Contract]) -> tuple[int, datetime]:
    """How many entities the tables over these keys have together, and from when on their newest row is valid."""
    rows = reduce(DataFrame.union, [lake.read(contract.table).select(*keys, TIMESTAMP) for contract in contracts])
    newest = F.unix_micros(F.max(TIMESTAMP))
    row = rows.agg(F.count_distinct(*keys).alias("n"), newest.alias("newest")).first()
    assert row is not None
    # As an integer: Python would get the time in the machine's zone.
    return int(row["n"]), BEGINNING + timedelta(microseconds=row["newest"] or 0)
