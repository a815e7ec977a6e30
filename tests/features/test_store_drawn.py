"""Laws of fetching features, on drawn tables: by point in time is what a plain join gives, and online is the newest."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from data_contracts import Column, Contract
from feature_repo.definitions import SERVICES, entity_keys, features, views
from jobs.engine.frames import frame_of
from jobs.engine.lake import Lake
from jobs.features import materialise
from jobs.features.store import SERVICE, as_of, feature_store, point_in_time, quiet
from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from tests.contracted import put

# PySpark leaves the socket of every collect() to the garbage collector, Feast that of its Redis client.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)
DAYS = 12
# The value of every feature of a state that nobody may know before its time.
PLANTED = 1_000_000_000

Row = dict[str, Any]
READ = {view: views()[view] for view in SERVICES[SERVICE]}
PEOPLE, CLIPS = [f"u{n}" for n in range(6)], [f"v{n}" for n in range(5)]
PAIRS = [{"user_id": user, "video_id": clip} for user in PEOPLE for clip in CLIPS]
END = MIDNIGHT + timedelta(days=DAYS + 1)


def value(column: Column, chance: Random) -> Any:
    """A value such as a feature may have, some of them NULL."""
    match column.type:
        case "date":
            return (MIDNIGHT - timedelta(days=chance.randrange(90))).date()
        case "double":
            return chance.choice([None, chance.randrange(8) / 8])
        case _:
            return chance.choice([None, chance.randrange(100)])


def states(contract: Contract, ids: list[str], chance: Random) -> list[Row]:
    """A state on some of the days for each but the last, who has none. The newest of each is planted."""
    (key,) = entity_keys(contract)
    rows = []
    for one in ids[:-1]:
        days = sorted(chance.sample(range(DAYS), chance.randint(2, DAYS)))
        for day in days:
            row = {column.name: value(column, chance) for column in features(contract)}
            if day == days[-1]:
                row |= {column.name: PLANTED for column in features(contract) if column.type == "bigint"}
            event_at = MIDNIGHT + timedelta(days=day)
            rows.append({key: one, "event_date": event_at.date(), "valid_from": event_at + timedelta(days=1), **row})
    return rows


@pytest.fixture(scope="module")
def drawn(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, dict[str, list[Row]]]:
    """A lake with drawn feature tables, and their rows by the name of the view."""
    lake, chance = Lake(spark, Settings(home=tmp_path_factory.mktemp("drawn"))), Random(11)
    tables = {view: states(contract, PEOPLE if view == "user" else CLIPS, chance) for view, contract in READ.items()}
    for view, rows in tables.items():
        put(lake.settings, READ[view].table, *rows)
    for contract in views().values():
        if contract.table not in {read.table for read in READ.values()}:
            put(lake.settings, contract.table)
    return lake, tables


def plain(tables: Mapping[str, list[Row]], asked: Mapping[str, Any]) -> Row:
    """What is known at an instant, found by looking at every row of every table."""
    found: Row = {}
    for view, rows in tables.items():
        (key,) = entity_keys(READ[view])
        known = [row for row in rows if row[key] == asked[key] and row["valid_from"] <= asked["at"]]
        state = max(known, key=lambda row: row["valid_from"], default={})
        for column in features(READ[view]):
            name, one = f"{view}__{column.name}", state.get(column.name)
            if column.type == "date":
                name = f"{view}__days_since_{column.name.removesuffix('_date')}"
                one = (asked["at"].date() - one).days if one else None
            found[name] = one
    return found


def test_random_pairs_at_random_instants_get_what_a_plain_join_gives_and_no_planted_value_before_its_time(
    drawn: tuple[Lake, dict[str, list[Row]]],
) -> None:
    lake, tables = drawn
    chance = Random(12)
    # Midnights too, at which a state begins to count, and the last moment before.
    hours = [timedelta(days=chance.randrange(DAYS + 3), hours=chance.choice([0, 7, 23.9999])) for _ in range(80)]
    asks = [{"user_id": chance.choice(PEOPLE), "video_id": chance.choice(CLIPS), "at": MIDNIGHT + h} for h in hours]
    asked = frame_of(lake.spark, "user_id string, video_id string, at timestamp", asks)
    found = point_in_time(lake, asked).collect()
    assert Counter((row.user_id, row.video_id, row.at.astimezone(UTC)) for row in found) == Counter(
        (ask["user_id"], ask["video_id"], ask["at"]) for ask in asks
    )
    for row in found:
        told = row.asDict()
        at = told.pop("at").astimezone(UTC)
        expected = plain(tables, {"user_id": told.pop("user_id"), "video_id": told.pop("video_id"), "at": at})
        assert told == expected, at


# In the middle too, when most of the planted states are not valid yet.
@pytest.mark.parametrize("at", [MIDNIGHT + timedelta(days=DAYS // 2, hours=5), END])
def test_as_of_one_instant_everybody_gets_what_a_plain_join_gives(
    drawn: tuple[Lake, dict[str, list[Row]]], at: datetime
) -> None:
    lake, tables = drawn
    found = as_of(lake, frame_of(lake.spark, "user_id string, video_id string", PAIRS), at)
    told = sorted((row.asDict() for row in found.collect()), key=lambda row: (row["user_id"], row["video_id"]))
    assert told == [{**pair, **plain(tables, {**pair, "at": at})} for pair in PAIRS]


# At the end alone: the push of an older night brings the newest states too (test_materialise.py).
def test_what_is_online_for_anybody_is_what_the_tables_say_when_it_was_pushed(
    drawn: tuple[Lake, dict[str, list[Row]]],
) -> None:
    lake, tables = drawn
    with redis_url(lake.settings) as url:
        materialise.materialise(lake, url, END)
        store = feature_store(lake, views().values(), url)
        with quiet():
            service = store.get_feature_service(SERVICE)
            answer = store.get_online_features(service, PAIRS, full_feature_names=True).to_dict()
    for n, pair in enumerate(PAIRS):
        values = plain(tables, {**pair, "at": END})
        for view, contract in READ.items():
            for column in features(contract):
                one = answer[f"{view}__{column.name}"][n]
                if column.type == "date":
                    since = f"{view}__days_since_{column.name.removesuffix('_date')}"
                    assert (None if one is None else (END.date() - one.date()).days) == values[since]
                else:
                    assert one == values[f"{view}__{column.name}"], (pair, column.name)
