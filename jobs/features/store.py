"""Features as a ranker consumes them: by point in time for training, as of one instant for scoring.

Belongs here: the Feast store over our tables (registry, offline and online), and the two ways to fetch the features
of `ranker_v1`. Which those are: feature_repo/. How a feature is computed: the module that declares its table, such as
users.py.

Both ways return the same columns with the same values: `user__*` and `video__*`, NULL where the entity had no row
yet. Days since a first or last activity grow without anything happening, so they are not in the tables; they are
derived here from the dates, for both ways alike.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime, time
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from data_contracts import Contract
from feature_repo.definitions import SERVICES, definitions, entity_keys, features, views
from jobs.engine.lake import Lake
from jobs.host.files import appearing

if TYPE_CHECKING:
    from feast import FeatureStore
    from feast.infra.offline_stores.contrib.spark_offline_store.spark import SparkRetrievalJob

SERVICE = "ranker_v1"
PROJECT = "reelmill"
# Feast's own Spark store, but for a join that does not grow with the square of the rows.
OFFLINE_STORE = "jobs.features.offline_store.AsOfSparkOfflineStore"
QUOTED_NAMES = "spark.sql.parser.quotedRegexColumnNames"
# Feast finds the time of an entity row by this name.
AT = "event_timestamp"
# How Feast writes the key of an entity.
KEY_FORMAT = 3
# Every night writes every entity, so whoever is not written for a week has left the tables.
ONLINE_TTL_S = 7 * 24 * 3600


def feature_names() -> tuple[str, ...]:
    """The feature columns that `point_in_time` and `as_of` add, in their order; all bigint or double."""
    return tuple(
        _final(view, column.name, column.type) for view, contract in _read().items() for column in features(contract)
    )


def point_in_time(lake: Lake, entities: DataFrame) -> DataFrame:
    """`entities` (the keys of the views, at and whatever else) with the features that were known at `at`.

    Goes through Feast's offline store. Raises TableMissing while a daily table has no data.
    """
    store = feature_store(lake, _read().values())
    # A feature row becomes valid at a midnight, so the midnight before `at` sees the same rows; Feast joins once
    # per different entity and instant, and there are far fewer of those.
    timed = entities.withColumn(AT, F.date_trunc("day", "at"))
    with quiet():
        job = store.get_historical_features(timed, store.get_feature_service(SERVICE), full_feature_names=True)
        # The Spark store's job, which stays in Spark; the general one only promises pandas.
        joined = cast("SparkRetrievalJob", job).to_spark_df()
    return joined.select(*entities.columns, *_features(_read(), F.col("at")))


def as_of(lake: Lake, rows: DataFrame, at: datetime) -> DataFrame:
    """`rows` with the features, known at one instant, of all views whose keys they have.

    The same columns and values as `point_in_time` with every `at` the same, without a join over time.
    """
    read = {view: contract for view, contract in _read().items() if {*entity_keys(contract)} <= {*rows.columns}}
    joined = rows
    for view, contract in read.items():
        joined = joined.join(_latest(lake, view, contract, at), on=list(entity_keys(contract)), how="left")
    return joined.select(*rows.columns, *_features(read, F.lit(at)))


def feature_store(lake: Lake, contracts: Iterable[Contract], redis_url: str | None = None) -> FeatureStore:
    """The Feast store over these feature tables of the lake, their definitions in a registry of its own, in memory.

    All that Feast reads is of one version for as long as the store lives: the one that this run pinned, or else the
    newest now. Needs the running Spark session, which Feast's offline store picks up. Without `redis_url` the store is
    for training only: reading or writing online features fails. Raises TableMissing.
    """
    # Feast reads past the lake, and would say in a page that a table is missing.
    versions = {contract.table: lake.pin(contract.table) for contract in contracts}
    with quiet():
        from feast import FeatureStore, RepoConfig
        from sqlalchemy.pool import StaticPool

        home = lake.settings.registry
        home.mkdir(parents=True, exist_ok=True)
        online = (
            None
            if redis_url is None
            else {
                "type": "redis",
                "connection_string": _connection(online_url(redis_url)),
                "key_ttl_seconds": ONLINE_TTL_S,
                # Feast would keep what it has when the corrected row is of the same midnight.
                "skip_dedup": True,
            }
        )
        # A file would be rewritten in place by every task at once, each with the versions that it reads itself.
        in_memory = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        store = FeatureStore(
            config=RepoConfig(
                project=PROJECT,
                provider="local",
                registry={
                    "registry_type": "sql",
                    "path": "sqlite://",
                    "sqlalchemy_config_kwargs": in_memory,
                    "cache_ttl_seconds": 0,
                },
                offline_store={"type": OFFLINE_STORE, "staging_location": str(home / "staging")},
                batch_engine={"type": "spark.engine", "staging_location": str(home / "staging")},
                online_store=online,
                entity_key_serialization_version=KEY_FORMAT,
            )
        )
        store.apply(definitions(lake.tables.uri, versions))
    return store


def publish_registry(store: FeatureStore, path: Path) -> None:
    """Put the definitions of a store, and what was pushed by them, in a file for whoever reads through Feast."""
    with appearing(path) as unfinished:
        unfinished.write_bytes(store.registry.proto().SerializeToString())


def _read() -> dict[str, Contract]:
    """The views that the ranker reads, in its order, and the contract of the table behind each."""
    known = views()
    return {view: known[view] for view in SERVICES[SERVICE]}


def _latest(lake: Lake, view: str, contract: Contract, at: datetime) -> DataFrame:
    """The newest row of each entity that is valid at the instant, features named as by Feast."""
    # valid_from <= at, said on the window column so that Delta skips the files of later days.
    until = datetime.combine(at.astimezone(UTC).date(), time(), UTC)
    keys = entity_keys(contract)
    newest = lake.newest(contract.table, by=keys, until=until)
    return newest.select(*keys, *[F.col(c.name).alias(f"{view}__{c.name}") for c in features(contract)])


def _features(read: Mapping[str, Contract], at: Column) -> list[Column]:
    """The feature columns of these views, dates turned into days before `at`."""
    columns = []
    for view, contract in read.items():
        for column in features(contract):
            value = F.col(f"{view}__{column.name}")
            if column.type == "date":
                value = F.date_diff(at, value).cast("bigint")
            columns.append(value.alias(_final(view, column.name, column.type)))
    return columns


def _final(view: str, name: str, kind: str) -> str:
    """user__last_watch_date -> user__days_since_last_watch; other names stay."""
    return f"{view}__days_since_{name.removesuffix('_date')}" if kind == "date" else f"{view}__{name}"


def online_url(redis_url: str) -> str:
    """The database of Redis that is kept for features: the one after that of feeds (serving/feed_store/)."""
    url = urlsplit(redis_url)
    return url._replace(path=f"/{int(url.path.strip('/') or 0) + 1}").geturl()


def _connection(redis_url: str) -> str:
    """The URL of a database of Redis as Feast writes it."""
    url = urlsplit(redis_url)
    options = {"db": url.path.strip("/"), "username": url.username, "password": url.password and unquote(url.password)}
    if url.scheme == "rediss":
        options["ssl"] = "true"
    listed = [f"{k}={v}" for k, v in options.items() if v is not None]
    return ",".join([f"{url.hostname}:{url.port or 6379}", *listed])


@contextmanager
def quiet() -> Iterator[None]:
    """Without Feast's progress on stdout, its warning, at each touch, that its store is in alpha, and its setting.

    By that, names in quotes are patterns for every job that comes after in this session, and Delta's own queries of a
    table's metadata, whose columns have a dot in their names, an error.
    """
    spark = SparkSession.getActiveSession()
    before = spark.conf.get(QUOTED_NAMES, "false") if spark else "false"
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        # First, since importing it puts a filter of its own in front of all others.
        with _as_written():
            import_module("feast.infra.offline_stores.contrib.spark_offline_store.spark")
        warnings.filterwarnings("ignore", message="The spark .* is an experimental feature", category=RuntimeWarning)
        try:
            yield
        finally:
            if spark:
                spark.conf.set(QUOTED_NAMES, str(before))


@contextmanager
def _as_written() -> Iterator[None]:
    """Feast is imported without the checks of arguments that typeguard compiles into its classes.

    These are two thirds of the import's time, in every process that reads a feature; `python -O` leaves them out too.
    """
    import typeguard

    rewritten = typeguard.typechecked
    vars(typeguard)["typechecked"] = lambda target: target
    try:
        yield
    finally:
        vars(typeguard)["typechecked"] = rewritten
