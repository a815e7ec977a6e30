"""Feast's entities, sources, views and services over the daily Delta tables.

Belongs here: which table feeds which view, and which views a ranker reads. Fields, types and descriptions are not
declared here: they are read from the tables' contracts. Feast itself takes seconds to import, so it is imported only
inside `definitions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from data_contracts import Column, Contract, load

# A view is named for its entity, so that a feature reads user__watches_28d wherever it turns up.
VIEWS = {"user": "gold.user_daily", "video": "gold.video_daily", "hashtag": "gold.hashtag_daily"}
SERVICES = {"ranker_v1": ("user", "video")}
# The first instant at which a row may be known; event_date would leak the rest of its day.
TIMESTAMP = "valid_from"
# Rows are written on change only, so the newest one holds however old it is.
FOR_EVER = timedelta(0)


def contract(view: str) -> Contract:
    """The contract of the table behind a view."""
    return load(VIEWS[view])


def entity_key(view: str) -> str:
    """The one column, beside the window's, that identifies the view's entity."""
    (key,) = (name for name in contract(view).key if name != contract(view).window_column)
    return key


def features(view: str) -> tuple[Column, ...]:
    """The columns of a view's table that describe its entity, in the contract's order."""
    return tuple(c for c in contract(view).columns if c.name not in (*contract(view).key, TIMESTAMP))


def definitions(uri: Callable[[str], str], versions: Mapping[str, int]) -> list[Any]:
    """The Feast objects over the tables in `versions`: entities, sources, views and services, ready to apply.

    `uri` says where a table lies, and `versions` what Feast reads of it. A service is there if all its views are.
    """
    from feast import Entity, FeatureService, FeatureView, Field, ValueType
    from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
    from feast.table_format import DeltaFormat
    from feast.types import Float64, Int32, Int64, String, UnixTimestamp

    types = {"bigint": Int64, "int": Int32, "double": Float64, "string": String, "date": UnixTimestamp}
    entities: dict[str, Any] = {}
    views: dict[str, Any] = {}
    for name, table in VIEWS.items():
        if table not in versions:
            continue
        described = contract(name)
        key = described.column(entity_key(name))
        entities[name] = Entity(
            name=name, join_keys=[key.name], value_type=ValueType.STRING, description=key.description
        )
        source = SparkSource(
            name=table,
            path=uri(table),
            table_format=DeltaFormat(properties={"versionAsOf": str(versions[table])}),
            timestamp_field=TIMESTAMP,
            description=described.description,
        )
        views[name] = FeatureView(
            name=name,
            entities=[entities[name]],
            ttl=FOR_EVER,
            schema=[Field(name=key.name, dtype=String, description=key.description)]
            + [Field(name=c.name, dtype=types[c.type], description=c.description) for c in features(name)],
            source=source,
            description=described.description,
            tags={"table": table, "contract": f"{table}@{described.version}"},
        )
    whole = {name: read for name, read in SERVICES.items() if views.keys() >= set(read)}
    services = [FeatureService(name=name, features=[views[view] for view in read]) for name, read in whole.items()]
    return [*entities.values(), *views.values(), *services]
