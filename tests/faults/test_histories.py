"""Whatever dies, stands still, is torn or comes twice: what was acknowledged is there once, and watches are as if made
at once.

The suite does a little harm to one home, and to the checker itself. `make crash-test SECONDS=600` does all of it for as
long, by a seed that it prints, to real processes, with the spool and with a broker.
"""

import os
import random
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.engine import stream
from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.runner import run_job
from jobs.engine.window import Window
from jobs.events import ingest, watches
from jobs.events.marks import among_others
from jobs.pipeline import find
from jobs.settings import Settings
from serving.app import create_app
from tests.faults.history import VIDEOS, Client, History, content, kept, violations, watches_differ
from tests.faults.platform import DISTURBANCES, JOBS, OF_A_TOPIC, Platform
from tests.serving.conftest import over_http

SECONDS = float(os.environ.get("CRASH_SECONDS", "600"))
SEED = int(os.environ.get("CRASH_SEED") or time.time_ns() % 1_000_000)
# Between two looks at all that is there.
ROUND_S = 100


def publish_videos(lake: Lake) -> None:
    of = {"user_id": "maker", "hashtags": [], "status": "published", "source": "api", "duration_ms": 9_000}
    at = {"published_at": datetime(2020, 1, 1, tzinfo=UTC)}
    rows = [{"video_id": f"v{n}", "title": f"v{n}", **of, **at} for n in range(VIDEOS)]
    lake.merge("silver.videos", rows_of(lake.spark, "silver.videos", rows))


def found_wrong(spark: SparkSession, settings: Settings, history: History) -> list[str]:
    """All that is not as it must be, when everything that waits has been taken in."""
    for name in JOBS:
        run_job(find(name), Window.of_day(datetime.now(UTC).date()), spark, settings)
    lake = Lake(spark, settings)
    each = watches.watches(lake.read("bronze.events"), lake.read("silver.videos"))
    anew = among_others(each.withColumn("session_started_at", F.lit(None).cast("timestamp")))
    return violations(history, *kept(settings)) + watches_differ(lake.read("silver.watches"), anew)


def event(**said: Any) -> dict[str, Any]:
    of = {"event_id": "e", "user_id": "u", "video_id": "v", "event_type": "like", "event_at": "2024-03-01T10:00:00.5Z"}
    return of | said


def history(*accepted: dict[str, Any], sent: tuple[dict[str, Any], ...] = ()) -> History:
    known = {content(one) for one in accepted}
    return History(sent=known | {content(one) for one in sent}, accepted=known)


def test_what_must_be_true_of_a_history_is_asked_of_each_event() -> None:
    one, other = event(), event(session_id="s")
    # As a table has it: a time without a zone, and when it was received.
    row = one | {"event_at": datetime(2024, 3, 1, 10, 0, 0, 500_000), "received_at": datetime(2024, 3, 1, 11)}
    assert violations(history(one), [row], []) == []
    assert violations(history(one, other), [row], [other]) == []
    assert violations(history(), [], []) == violations(history(sent=(one,)), [], []) == []
    for told, there, aside, sentence in (
        (history(one), [], [], "accepted and there 0 times, set aside 0 times"),
        (history(one), [row, row], [], "accepted and there 2 times"),
        (history(one), [row], [one], "there 1 times, set aside 1 times"),
        (history(), [row], [], "there and never sent"),
        (history(sent=(one,)), [row], [one], "never acknowledged and there 2 times"),
        (history(one, other), [row, other], [], "2 events have the key"),
        (History(torn={"{"}), [], [], "a torn line is set aside 0 times"),
        (history(), [], [{"line": "{", "reason": "no JSON"}], "a line that nobody sent is set aside"),
        (History(wrong=["a good batch was answered by 400"]), [], [], "answered by 400"),
    ):
        assert any(sentence in said for said in violations(told, there, aside)), sentence


def test_a_watch_too_many_and_one_too_few_are_both_told(spark: SparkSession) -> None:
    made = spark.range(0, 2).toDF("n")
    assert len(watches_differ(made, spark.range(1, 3).toDF("n"))) == 2
    assert watches_differ(made, made) == []


def test_a_home_that_is_harmed_holds_what_was_acknowledged_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings, client = lake.settings, Client(random.Random(SEED))
    publish_videos(lake)
    print(f"seed {SEED}")

    def take_in(harmed: str | None = None, owner: Any = None) -> None:
        with monkeypatch.context() as patch:
            if harmed:
                patch.setattr(owner, harmed, _dies)
            try:
                ingest.run(Lake(lake.spark, settings), Window.of_day(datetime.now(UTC).date()))
            except _Died:
                assert harmed

    for harmed, owner in (("insert", ingest), ("_remember", stream)):
        app = create_app(
            redis_url="redis://127.0.0.1:1/0",
            media=tmp_path,
            events=settings.spool,
            landing=settings.landing,
            secret="s" * 32,
        )
        enough = len(client.history.sent) + 10
        with over_http(app) as api:
            while len(client.history.sent) < enough:
                client.think()
            while not client.is_done:
                assert client.send(str(api.base_url).rstrip("/"))
        take_in(harmed, owner)
    torn = '{"event_id": "torn", "user_i'
    client.history.torn.add(torn)
    (settings.spool / "torn.jsonl").write_text("\n".join([*client.again(1), torn, *client.again(1)]))
    assert found_wrong(lake.spark, settings, client.history) == []
    assert len(client.history.accepted) >= 20


class _Died(Exception):
    """The process would be gone."""


def _dies(*_: object, **__: object) -> None:
    raise _Died


@pytest.mark.histories
@pytest.mark.parametrize("by_topic", [False, True], ids=["spool", "kafka"])
def test_processes_that_are_harmed_for_long_lose_and_double_nothing(
    spark: SparkSession, tmp_path: Path, by_topic: bool
) -> None:
    chance = random.Random(f"{SEED} {by_topic}")
    client = Client(random.Random(f"{SEED} {by_topic} client"))
    publish_videos(Lake(spark, Settings(home=tmp_path / "home")))
    platform = Platform(tmp_path, client, chance, by_topic=by_topic)
    told: list[str] = []
    try:
        until = time.monotonic() + SECONDS
        print(f"\nseed {SEED}, {'Kafka' if by_topic else 'spool'}, {SECONDS:.0f} s, in {tmp_path}", flush=True)
        while time.monotonic() < until:
            with sending(client, platform.url):
                over = min(until, time.monotonic() + ROUND_S)
                while time.monotonic() < over:
                    harm = chance.choice((*DISTURBANCES, *(OF_A_TOPIC if by_topic else ())))
                    told.append(harm(platform))
                    print(f"  {until - time.monotonic():4.0f} s left: {told[-1]}", flush=True)
                    time.sleep(chance.uniform(0, 8))
            platform.calm()
            wrong = found_wrong(spark, platform.settings, client.history)
            assert wrong == [], f"seed {SEED}, after {told}, see {tmp_path}: " + "\n".join(wrong[:20])
            known = client.history
            print(f"  all is well: {len(known.sent):,} events sent, {len(known.accepted):,} acknowledged", flush=True)
            if time.monotonic() < until:
                platform.go_on()
    finally:
        platform.end()
    print(f"  {len(told)} disturbances, and nothing lost or doubled", flush=True)


class sending:
    """Batches that are sent for as long as the context is open."""

    def __init__(self, client: Client, url: str) -> None:
        self._client, self._url = client, url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        while not self._over.is_set():
            self._client.think()
            for _ in range(3):
                if not self._client.send(self._url):
                    self._over.wait(0.5)
            self._over.wait(0.3)
