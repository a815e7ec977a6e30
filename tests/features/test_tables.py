"""A feature table is one declaration and its contract: the store, Feast and Redis follow."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import DataFrame, Row

from data_contracts import ContractError
from data_contracts import contract as loader
from feature_repo import definitions
from jobs.engine.frames import frame_of
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.features import store
from jobs.features.changes import Counted
from jobs.features.hashtags import tagged
from jobs.features.materialise import materialise
from jobs.features.store import as_of, feature_store, point_in_time, quiet
from jobs.features.tables import FeatureTable, NothingMakesColumn
from jobs.host.redis_server import redis_url

# PySpark leaves the socket of every collect() to the garbage collector, Feast that of its Redis client.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)

# The one declaration of a viewer's taste for a hashtag.
TASTES = FeatureTable(
    "gold.tastes",
    rows=tagged,
    beside=("silver.videos",),
    sums={"watches": Counted("1"), "finishes": Counted("CAST(is_finished AS BIGINT)")},
    distinct={"videos": "video_id"},
    extra={
        "finished_share_{span}": "try_divide(finishes_{span}, watches_{span})",
        "last_watch_date": "last_date",
    },
)
# And that of a second table about viewers.
HABITS = FeatureTable("gold.habits", sums={"watches": Counted("1")}, distinct={"hours": "hour(started_at)"})


def contract_of(table: str, view: str, keys: list[str], columns: dict[str, str]) -> str:
    """The contract of a feature table, without rules; `columns` maps what is beside its keys and times to types."""
    key = [*keys, "event_date"]
    types = dict.fromkeys(keys, "string") | {"event_date": "date", "valid_from": "timestamp"} | columns
    properties: list[dict[str, Any]] = [
        {"name": name, "physicalType": kind, "classification": "personal", "description": "A column of a test."}
        for name, kind in types.items()
    ]
    for described in properties:
        if described["name"] in key:
            position = key.index(described["name"]) + 1
            described |= {"required": True, "primaryKey": True, "primaryKeyPosition": position}
        if described["physicalType"] in loader.NUMBERS:
            described["customProperties"] = [{"property": "unit", "value": "count"}]
    schema = {
        "name": table.partition(".")[2],
        "description": "A table of a test.",
        "dataGranularityDescription": "one entity at the end of a day",
        "customProperties": [
            {"property": "windowColumn", "value": "event_date"},
            {"property": "featureView", "value": view},
            {"property": "behind", "value": "1 d"},
        ],
        "properties": properties,
    }
    contract = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": table,
        "version": "1.0.0",
        "status": "active",
        "description": {"usage": "Test."},
        "schema": [schema],
        "slaProperties": [
            {"property": "freshness", "value": 1, "unit": "d"},
            {"property": "retention", "value": 9, "unit": "d"},
        ],
    }
    return yaml.safe_dump(contract, sort_keys=False)


TASTES_CONTRACT = contract_of(
    "gold.tastes",
    "taste",
    ["user_id", "hashtag"],
    {
        "watches_1d": "bigint",
        "watches_total": "bigint",
        "videos_total": "bigint",
        "finished_share_total": "double",
        "last_watch_date": "date",
    },
)
HABITS_CONTRACT = contract_of("gold.habits", "habit", ["user_id"], {"watches_7d": "bigint", "hours_total": "bigint"})


@pytest.fixture
def contracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Puts a contract in force beside ours."""
    contracts = tmp_path / "contracts"
    shutil.copytree(loader.ROOT, contracts)
    monkeypatch.setattr(loader, "ROOT", contracts)

    def put(table: str, text: str) -> None:
        (contracts / f"{table.replace('.', '/')}.odcs.yaml").write_text(text)
        loader.load.cache_clear()

    yield put
    loader.load.cache_clear()


@pytest.fixture
def tastes(contracted: Callable[[str, str], None], changing: Lake, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """The lake of `changing` with the tastes up to day 3, which the ranker reads too."""
    contracted("gold.tastes", TASTES_CONTRACT)
    monkeypatch.setitem(definitions.SERVICES, store.SERVICE, (*definitions.SERVICES[store.SERVICE], "taste"))
    TASTES.job(__name__)(changing, Window(MIDNIGHT, at(4)))
    return changing


def at(day: int) -> datetime:
    """The start of a day, counted from 2024-03-01."""
    return MIDNIGHT + timedelta(days=day)


def asked(lake: Lake, *rows: tuple[str, str, datetime]) -> DataFrame:
    """Each (user_id, hashtag, at) and the video cats."""
    schema = "user_id string, video_id string, hashtag string, at timestamp"
    return frame_of(lake.spark, schema, [(user, "cats", tag, moment) for user, tag, moment in rows])


def in_order(frame: DataFrame) -> list[Row]:
    return frame.orderBy("user_id", "hashtag", "at").collect()


def test_a_declaration_is_a_job_that_writes_the_columns_of_its_contract(tastes: Lake) -> None:
    job = TASTES.job(__name__)
    assert (job.reads, job.writes, job.every) == (("silver.watches", "silver.videos"), ("gold.tastes",), "day")
    written = tastes.read("gold.tastes")
    assert written.columns == [c.name for c in loader.load("gold.tastes").columns]
    ann = written.where("user_id = 'ann' AND hashtag = 'pets'").orderBy("event_date").collect()
    # On day 1 the watch of day 0 has left the span of one day: spans are what the contract's names end in.
    assert [(r.event_date.day, r.watches_1d, r.watches_total, r.videos_total) for r in ann] == [
        (1, 1, 1, 1), (2, 0, 1, 1), (3, 1, 2, 2), (4, 0, 2, 2)
    ]  # fmt: skip
    assert [r.finished_share_total for r in ann] == [0.0, 0.0, 0.5, 0.5]


def test_two_keys_are_joined_on_both_by_point_in_time_and_as_of_alike(
    tastes: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [("ann", "pets"), ("ann", "cars"), ("ben", "pets"), ("new", "pets")]
    moments = [at(1), at(2), at(3), at(9)]
    rows = in_order(point_in_time(tastes, asked(tastes, *[(*pair, moment) for pair in pairs for moment in moments])))
    known = {pair: [r.taste__watches_total for r in rows if (r.user_id, r.hashtag) == pair] for pair in pairs}
    assert known == {
        ("ann", "pets"): [1, 1, 2, 2],
        ("ann", "cars"): [None] * 4,
        ("ben", "pets"): [None, None, 1, 1],
        ("new", "pets"): [None] * 4,
    }
    assert [r.taste__days_since_last_watch for r in rows if (r.user_id, r.hashtag) == ("ann", "pets")] == [1, 2, 1, 7]
    assert {r.user__watches_total for r in rows if r.user_id == "ann" and r.at.day == 10} == {2}
    for moment in moments:
        then = asked(tastes, *[(*pair, moment) for pair in pairs])
        assert in_order(as_of(tastes, then, moment)) == in_order(point_in_time(tastes, then))
    everything = asked(tastes, *[(*pair, moment) for pair in pairs for moment in moments])
    monkeypatch.setattr(store, "OFFLINE_STORE", "spark")
    assert in_order(point_in_time(tastes, everything)) == rows


def test_what_is_online_is_there_once_however_many_tables_describe_it_and_is_no_pair(
    tastes: Lake, contracted: Callable[[str, str], None]
) -> None:
    contracted("gold.habits", HABITS_CONTRACT)
    HABITS.job(__name__)(tastes, Window(MIDNIGHT, at(4)))
    names = ["user:watches_total", "habit:hours_total"]
    people = [{"user_id": "ann"}, {"user_id": "ben"}]
    with redis_url(tastes.settings) as url:
        pushed = materialise(tastes, url, at(4))
        online = feature_store(tastes, definitions.online_views().values(), url)
        with quiet():
            answer = online.get_online_features(names, people, full_feature_names=True).to_dict()
    # Two viewers, whom two tables describe, are two entities; their tastes are there for the batch alone.
    assert pushed == {"user_id": 2, "video_id": 2, "hashtag": 1}
    assert answer["user__watches_total"] == [2, 1]
    assert answer["habit__hours_total"] == [1, 1]


def test_a_column_that_nothing_makes_is_an_error_that_names_it(contracted: Callable[[str, str], None]) -> None:
    contracted("gold.tastes", TASTES_CONTRACT.replace("watches_1d", "wachtes_1d"))
    with pytest.raises(NothingMakesColumn, match=r"wachtes_1d of gold\.tastes"):
        TASTES.columns()


def test_two_tables_may_not_have_one_view(contracted: Callable[[str, str], None]) -> None:
    contracted("gold.habits", HABITS_CONTRACT.replace("value: habit", "value: user"))
    with pytest.raises(ContractError, match=r"gold\.habits and gold\.user_daily both name the feature view 'user'"):
        definitions.views()
