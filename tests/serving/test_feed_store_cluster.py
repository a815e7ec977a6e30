"""No command of the store names keys that lie in two slots of a Redis Cluster, which would refuse it.

The server here has all slots, and looks as closely as one of many.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import redis

from jobs.host import redis_process
from jobs.host.ports import free_port
from serving.feed_store import trending
from serving.feed_store.forgotten import forget_trending, forget_videos, forget_viewer
from serving.feed_store.held import held
from serving.feed_store.shapes import TrendingKind
from serving.feed_store.writer import FeedStore
from tests.serving.staging import write_feeds
from tests.serving.test_feed_store_seen import page, report, rest, shown
from tests.steps import wait

if TYPE_CHECKING:
    from tests.serving.conftest import Serve

# The braces of an id say nothing of where its keys lie.
ODD = "a}b{c}%7B"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[redis.Redis]:
    port = free_port()
    while port > 55_535:  # its bus has the port 10,000 above
        port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--dir", str(tmp_path)]
    with (
        subprocess.Popen([redis_process.executable(), *options, "--save", ""], stdout=subprocess.DEVNULL) as server,
        redis.Redis(port=port) as client,
    ):
        wait(lambda: _answers(client))
        client.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
        wait(lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"))
        yield client
        server.terminate()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_feeds_are_published_read_rolled_back_and_forgotten_in_a_cluster(client: redis.Redis, serve: Serve) -> None:
    with pytest.raises(redis.ResponseError, match="same slot"):
        client.mget("a", "b")
    url = f"redis://127.0.0.1:{client.connection_pool.connection_kwargs['port']}"

    def slots(version: str) -> list[dict[str, object]]:
        return [{"video_id": f"{version}-{n}", "reason": "why"} for n in range(8)]

    with FeedStore(url) as store, serve(url) as api:
        for night in ("20240301.m", "20240302.m"):
            store.begin(night)
            store.begin(night)  # over what a killed one left
            store.write_videos((slot, date(2024, 3, int(night[7]))) for slot in slots(night))
            write_feeds(store, night, [("ann", slots(night)), ("ben", slots(night)[:1]), (ODD, slots(night))])
            store.write_fallback(night, [{"video_id": f"top{n}", "hashtags": [f"h{n % 2}"]} for n in range(8)])
            store.commit(night, 3)
        store.refuse([("stranger", "top0")])
        trending.publish(client, TrendingKind.VIDEOS, datetime(2024, 3, 1, 9, tzinfo=UTC), [{"id": "20240302.m-1"}])
        report(api, ["20240302.m-0"])
        assert rest(api, page(api, limit=3)) == [f"20240302.m-{n}" for n in range(1, 8)]
        assert shown(page(api, user_id="stranger"))[0] == "top1"
        mute = {"video_id": "gone", "event_type": "mute_hashtag", "event_at": datetime.now(UTC).isoformat()}
        words = [{**mute, "user_id": "stranger", "hashtag": "h0"}, {**mute, "user_id": "another", "hashtag": "h1"}]
        assert api.post("/v1/events", json=words).status_code == 202
        assert shown(page(api, user_id="stranger")) == ["top1", "top3", "top5", "top7"]
        assert shown(page(api, user_id="another")) == ["top0", "top2", "top4", "top6"]
        report(api, ["20240302.m-0"], ODD)
        assert shown(page(api, user_id=quote(ODD)))[0] == "20240302.m-1"
        assert len(api.get("/v1/videos", params={"ids": ["20240302.m-0", "20240302.m-1"]}).json()["items"]) == 2
        assert [item["id"] for item in api.get("/v1/trending/videos").json()["items"]] == ["20240302.m-1"]
        assert forget_videos(client, {"20240301.m-0", "20240302.m-1", "20240302.m-2"}) > 0
        assert forget_trending(client, {"20240302.m-1"}) == 1
        assert forget_viewer(client, "ann") == 3
        store.rollback("20240301.m")
        assert shown(page(api)) == [f"top{n}" for n in range(8)]
        assert [(one.viewers, one.is_current) for one in held(client)] == [(1, True), (2, False)]
