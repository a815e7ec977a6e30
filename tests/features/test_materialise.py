"""Features online: pushed to a real Redis every night and read back through Feast."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from feature_repo import definitions
from jobs.engine.lake import Lake, TableMissing
from jobs.engine.window import Window
from jobs.features import materialise, users
from jobs.features.store import QUOTED_NAMES, feature_store, quiet
from jobs.host.redis_server import redis_url

# PySpark leaves the socket of every collect() to the garbage collector, Feast that of its Redis client.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def midnight(day: int) -> datetime:
    """The start of a day, counted from 2024-03-01."""
    return datetime(2024, 3, 1, tzinfo=UTC) + timedelta(days=day)


@pytest.fixture
def redis(changing: Lake) -> Iterator[str]:
    with redis_url(changing.settings) as url:
        yield url


def online(lake: Lake, url: str, **entity: str) -> dict[str, Any]:
    """What Feast's online store answers for one entity."""
    ((key, value),) = entity.items()
    view = key.removesuffix("_id")
    names = [f"{view}:{c.name}" for c in definitions.features(definitions.views()[view])]
    store = feature_store(lake, definitions.views().values(), url)
    with quiet():
        answer = store.get_online_features(names, [{key: value}]).to_dict()
    return {name: values[0] for name, values in answer.items()}


def registry(lake: Lake) -> Any:
    """What the last push published, as any Feast client reads it."""
    with quiet():
        from feast import FeatureStore, RepoConfig

        path = str(lake.settings.registry / "registry.db")
        return FeatureStore(
            config=RepoConfig(project="reelmill", provider="local", registry=path, entity_key_serialization_version=3)
        )


def test_features_are_online_after_the_night_and_corrections_replace_them(
    changing: Lake, redis: str, watches_of: Any
) -> None:
    assert materialise.materialise(changing, redis, midnight(4)) == {"user_id": 2, "video_id": 2, "hashtag": 1}
    # Feast makes patterns of names in quotes, by which Delta's questions to a table's metadata would fail from then on.
    assert changing.spark.conf.get(QUOTED_NAMES, "false") == "false"
    ann = online(changing, redis, user_id="ann")
    (table,) = changing.read("gold.user_daily").where("user_id = 'ann' AND event_date = '2024-03-03'").collect()
    assert (ann["watches_total"], ann["share_watched_total"]) == (table.watches_total, table.share_watched_total)
    assert ann["last_watch_date"].date() == table.last_watch_date
    assert online(changing, redis, video_id="cats")["viewers_total"] == 2
    assert online(changing, redis, hashtag="pets")["videos_total"] == 2
    assert online(changing, redis, user_id="new")["watches_total"] is None

    with quiet():
        published = registry(changing).get_feature_view("user")
    assert published.most_recent_end_time == midnight(4)
    pinned = published.batch_source.table_format.properties["versionAsOf"]
    assert pinned == str(changing.read_versions["gold.user_daily"])

    # A late watch changes a day that is online already; an older night runs again and must not turn anything back.
    changing.merge("silver.watches", watches_of(("ann", "cats", 2)))
    users.run(changing, Window(midnight(0), midnight(4)))
    materialise.materialise(changing, redis, midnight(1))
    assert online(changing, redis, user_id="ann")["watches_total"] == 3


def test_a_feature_table_that_is_not_there_is_an_error(changing: Lake) -> None:
    shutil.rmtree(changing.settings.lake / "gold" / "hashtag_daily")
    with pytest.raises(TableMissing, match=r"gold\.hashtag_daily, which is not there"):
        materialise.materialise(changing, "redis://nobody-asks-it", midnight(4))
