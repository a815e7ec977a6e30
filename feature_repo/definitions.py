"""Feast's entities, sources, views and services over the feature tables.

Belongs here: which views a ranker reads. All else is read from the contracts: a table whose contract names a
`featureView` is one, keyed by the contract's key without the window's column, with the contract's fields, types and
descriptions. Feast itself takes seconds to import, so it is imported only inside `definitions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from data_contracts import Column, Contract, ContractError, load, tables

# The views that each ranker reads, and the order in which it sees their features, which its trees depend on.
SERVICES = {"ranker_v1": ("user", "video")}
# The first instant at which a row may be known; event_date would leak the rest of its day.
TIMESTAMP = "valid_from"
# Rows are written on change only, so the newest one holds however old it is.
FOR_EVER = timedelta(0)


def views() -> dict[str, Contract]:
    """The contracts of the feature tables, by the name of their view, which prefixes every feature: user__watches_28d.

    Raises ContractError where two tables name one view.
    """
    named: dict[str, Contract] = {}
    for contract in map(load, tables()):
        view = contract.feature_view
        if view is None:
            continue
        if view in named:
            raise ContractError(f"{named[view].table} and {contract.table} both name the feature view {view!r}.")
        named[view] = contract
    return named


def entity_keys(contract: Contract) -> tuple[str, ...]:
    """The columns, beside the window's, that identify what the features of a table describe."""
    return tuple(name for name in contract.key if name != contract.window_column)


def online_views() -> dict[str, Contract]:
    """Of the `views` those that are pushed to Redis: of one thing each, and not of a pair of things.

    There are as many pairs as viewers times what each has watched; a hash for each would be most of Redis, and nobody
    asks for one (decision 43).
    """
    return {view: contract for view, contract in views().items() if len(entity_keys(contract)) == 1}


def by_the_hour(contract: Contract) -> bool:
    """Whether a feature table says what an hour came to, and not what is so as of the end of a day."""
    return contract.window_column == "hour_start"


def features(contract: Contract) -> tuple[Column, ...]:
    """The columns of a feature table that describe its entity, in the contract's order."""
    return tuple(c for c in contract.columns if c.name not in (*contract.key, TIMESTAMP) and not c.carried)


def definitions(uri: Callable[[str], str], versions: Mapping[str, int]) -> list[Any]:
    """The Feast objects over the tables in `versions`: entities, sources, views and services, ready to apply.

    `uri` says where a table lies, and `versions` what Feast reads of it. A service is there if all its views are.
    """
    from feast import Entity, FeatureService, FeatureView, Field
    from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
    from feast.table_format import DeltaFormat
    from feast.types import Float64, Int32, Int64, String, UnixTimestamp

    types = {"bigint": Int64, "int": Int32, "double": Float64, "string": String, "date": UnixTimestamp}
    # Views over one key share its entity, so one key has one entity however many tables it identifies.
    entities: dict[str, Any] = {}
    made: dict[str, Any] = {}
    online = online_views()
    for view, contract in views().items():
        table = contract.table
        if table not in versions:
            continue
        keys = [contract.column(name) for name in entity_keys(contract)]
        for key in keys:
            entity = Entity(
                name=key.name.removesuffix("_id"),
                join_keys=[key.name],
                value_type=types[key.type].to_value_type(),
                description=key.description,
            )
            entities.setdefault(key.name, entity)
        source = SparkSource(
            name=table,
            path=uri(table),
            table_format=DeltaFormat(properties={"versionAsOf": str(versions[table])}),
            timestamp_field=TIMESTAMP,
            description=contract.description,
        )
        made[view] = FeatureView(
            name=view,
            entities=[entities[key.name] for key in keys],
            ttl=FOR_EVER,
            schema=[
                Field(name=c.name, dtype=types[c.type], description=c.description) for c in (*keys, *features(contract))
            ],
            source=source,
            online=view in online,
            description=contract.description,
            tags={"table": table, "contract": f"{table}@{contract.version}", "behind": str(contract.behind)},
        )
    whole = {name: read for name, read in SERVICES.items() if made.keys() >= set(read)}
    services = [FeatureService(name=name, features=[made[view] for view in read]) for name, read in whole.items()]
    return [*entities.values(), *made.values(), *services]
