"""Publishing while people read, and being killed while publishing: readers see whole versions only."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from serving.feed_store.layout import GENERATIONS, feed_key, version_key
from serving.feed_store.writer import FeedStore

if TYPE_CHECKING:
    from tests.serving.conftest import Publish, RawRedis


PUBLISH_FOR_EVER = """
import itertools, sys
from serving.feed_store.writer import FeedStore
store = FeedStore(sys.argv[1])
print("publishing", flush=True)
for n in itertools.count():
    version = f"{sys.argv[2]}-{n}"
    store.begin(version)
    store.write_parts(version, [{"video_id": version}])
    store.write_feeds(version, ((f"user{u}", [version] * 30, [b"{}"] * 30) for u in range(300)))
    store.write_fallback(version, [{"video_id": version}])
    store.commit(version, 300)
"""


def whole_feed(api: httpx.Client, user_id: str) -> tuple[str, list[str]]:
    page = api.get(f"/v1/feed/{user_id}", params={"limit": 7}).json()
    version, seen = page["feed_version"], [slot["video_id"] for slot in page["items"]]
    while page["next_cursor"]:
        page = api.get(f"/v1/feed/{user_id}", params={"limit": 7, "cursor": page["next_cursor"]}).json()
        assert page["feed_version"] == version
        seen += [slot["video_id"] for slot in page["items"]]
    return version, seen


def test_every_feed_read_during_a_series_of_publishes_is_of_one_version_and_whole(
    api: httpx.Client, publish: Publish
) -> None:
    def publish_version(n: int) -> None:
        publish(f"v{n}", {f"user{u}": [f"v{n}-{slot}" for slot in range(30)] for u in range(20)})

    publish_version(0)

    def publish_the_others() -> None:
        for n in range(1, 30):
            publish_version(n)

    publishing = threading.Thread(target=publish_the_others)
    publishing.start()
    versions = set()
    while publishing.is_alive():
        version, seen = whole_feed(api, "user7")
        assert seen == [f"{version}-{slot}" for slot in range(30)]
        versions.add(version)
    publishing.join()
    assert len(versions) > 1
    assert whole_feed(api, "user7")[0] == "v29"


@pytest.mark.slow
def test_a_publisher_that_is_killed_at_any_moment_leaves_a_whole_version_and_no_key_for_ever(
    api: httpx.Client, store: FeedStore, publish: Publish, server_url: str, raw_redis: RawRedis
) -> None:
    publish("v0", {f"user{u}": ["v0"] * 30 for u in range(300)})
    for attempt in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", PUBLISH_FOR_EVER, server_url, f"attempt{attempt}"], stdout=subprocess.PIPE
        )
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.03 * attempt)  # somewhere else in the loop each time
            process.send_signal(signal.SIGKILL)
        for user in (0, 150, 299):
            version, seen = whole_feed(api, f"user{user}")
            assert seen == [version] * 30
            assert version == store.current_version()
    publish("last", {"user0": ["last"]})
    assert whole_feed(api, "user0") == ("last", ["last"])
    current = raw_redis.get("feed:current")
    assert current is not None
    generation = current.split()[0].decode()
    for_ever = {key.decode() for key in raw_redis.keys("*") if raw_redis.ttl(key) < 0}
    of_generation = {key.decode() for key in raw_redis.keys(f"feed:{generation}:*")}
    assert for_ever == {"feed:current", GENERATIONS, version_key("last"), *of_generation}
    assert {key for key in of_generation if ":u:" in key} == {feed_key(generation, "user0")}
