"""Events by way of a real Kafka broker: each that was acknowledged is in the table once, whatever dies in between."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

import serving.producer
from jobs.arrivals import kafka
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.events import ingest
from jobs.host import kafka_process
from jobs.host.ports import free_port
from jobs.host.redis_process import listens
from jobs.settings import REPOSITORY, Settings
from serving.app import create_app
from tests.serving.conftest import over_http
from tests.steps import wait

pytestmark = [pytest.mark.jvm, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

DAY = Window.of_day(date(2024, 3, 1))


@dataclass
class Broker:
    """The broker of these tests, which may die and come back."""

    folder: Path
    jars: Path
    port: int
    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def come_back(self) -> None:
        self.process = kafka_process.start(self.folder, self.jars, self.port)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder, port = tmp_path_factory.mktemp("kafka"), free_port()
    jars = kafka_process.resolve_jars(Settings(home=folder / "home"))
    running = Broker(folder, jars, port, kafka_process.start(folder, jars, port))
    yield running
    running.process.terminate()
    running.process.wait()


@pytest.fixture
def topical(broker: Broker, lake: Lake, request: pytest.FixtureRequest) -> Lake:
    """A lake whose events come by a topic of the test's own."""
    address = f"kafka://127.0.0.1:{broker.port}/{request.node.name}"
    return Lake(lake.spark, Settings(home=lake.settings.home, events=Path(address)))


@contextmanager
def endpoint(settings: Settings) -> Iterator[httpx.Client]:
    """The endpoint over that topic, and no Redis, which events do not need."""
    assert settings.topic is not None
    app = create_app(
        redis_url="redis://127.0.0.1:1/0",
        media=settings.media,
        events=settings.topic,
        landing=settings.landing,
        secret="s" * 32,
    )
    with over_http(app) as client:
        yield client


def like(event_id: str, **said: Any) -> dict[str, Any]:
    at = "2024-03-01T10:00:00Z"
    return {"event_id": event_id, "user_id": "ann", "video_id": "cats", "event_type": "like", "event_at": at, **said}


def send(api: httpx.Client, *events: dict[str, Any]) -> None:
    """As a client does: again until they are acknowledged, for which a new broker may take a while."""
    wait(lambda: api.post("/v1/events", json=events).status_code == 202)


def is_there(settings: Settings) -> bool:
    """Whether its broker answers."""
    assert settings.topic is not None
    try:
        return kafka.look(settings.topic) is None
    except kafka.BrokerUnreachable:
        return False


def produce(settings: Settings, *messages: bytes) -> None:
    """What another program, which knows nothing of events, puts into the topic."""
    assert settings.topic is not None
    producer = Producer(settings.topic.client)
    for message in messages:
        producer.produce(settings.topic.name, message)
    assert producer.flush(10) == 0


def ids(lake: Lake) -> list[str]:
    ingest.run(Lake(lake.spark, lake.settings), DAY)
    return sorted(row.event_id for row in Lake(lake.spark, lake.settings).read(ingest.TABLE).collect())


def has_arrived(lake: Lake) -> bool:
    return ingest.arrived(lake.settings, datetime.now(UTC))


def aside(lake: Lake) -> list[tuple[str, str]]:
    rows = [json.loads(row["row"]) for row in lake.read("quarantine.bronze.events").collect()]
    return sorted((row["line"], row["reason"]) for row in rows)


def checkpoint(lake: Lake) -> Path:
    topic = lake.settings.topic
    assert topic is not None
    found = kafka.look(topic)
    assert found is not None
    return lake.settings.checkpoints / kafka.checkpoint("events.ingest", topic, found)


def test_an_acknowledged_event_is_in_the_table_once_and_what_is_none_is_set_aside_with_the_reason(
    topical: Lake,
) -> None:
    assert not has_arrived(topical)  # there is no topic yet
    late = json.dumps(like("late", event_at="yesterday"))
    with endpoint(topical.settings) as api:
        answer = api.post("/v1/events", json=[like("e1"), like("e1"), like("e2"), like("bad", event_type="wink")])
        assert answer.status_code == 202
        assert [one["event_id"] for one in answer.json()["accepted"]] == ["e1", "e1", "e2"]
        assert [one["index"] for one in answer.json()["rejected"]] == [3]
        produce(topical.settings, b"torn", b"torn", late.encode())
        assert has_arrived(topical)
        assert ids(topical) == ["e1", "e2"]
        torn = ("torn", "the line is not one JSON object")
        assert aside(topical) == [torn, torn, (late, "event_at is no timestamp: yesterday")]
        assert not has_arrived(topical)
        assert topical.settings.topic and kafka.kept_for(topical.settings.topic) == "7 days"

        # What a kill between commit and checkpoint leaves behind: the rows are in, the batch counts as not done.
        done = checkpoint(topical) / "commits"
        for name in ("0", ".0.crc"):
            (done / name).unlink(missing_ok=True)
        assert has_arrived(topical)
        assert api.post("/v1/events", json=[like("e2"), like("e3")]).status_code == 202
    # Of imports, and of the time before there was a topic.
    topical.settings.spool.mkdir(parents=True)
    (topical.settings.spool / "a.jsonl").write_text(json.dumps({**like("file"), "received_at": None}) + "\n")
    assert ids(topical) == ["e1", "e2", "e3", "file"]
    assert len(aside(topical)) == 3
    assert not has_arrived(topical)


def test_a_broker_that_is_away_is_told_and_loses_nothing_that_was_acknowledged(
    broker: Broker, topical: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.producer, "PATIENCE_S", 1.0)
    with endpoint(topical.settings) as api:
        send(api, like("before"))
        with pytest.raises(kafka_process.BrokerStuck, match="runs on .* already"):
            kafka_process.start(broker.folder, broker.jars, free_port())
        broker.kill()
        refused = api.post("/v1/events", json=like("meanwhile"))
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.json()["type"] == "urn:reelmill:problem:broker-unreachable"
        assert "does not answer" in api.get("/readyz").json()["dependencies"]["events"]
        monkeypatch.setattr(kafka, "PATIENCE_S", 1.0)
        for ask in (has_arrived, ids):
            with pytest.raises(
                kafka.BrokerUnreachable, match=r"Connection refused .*\. Start it, or set REELMILL_EVENTS"
            ):
                ask(topical)
        broker.come_back()
        monkeypatch.undo()
        send(api, like("meanwhile"), like("after"))
        assert api.get("/readyz").json()["dependencies"]["events"] == "ok"
    assert ids(topical) == ["after", "before", "meanwhile"]

    # What nobody would hear of otherwise: what comes next is not there any more, or is not what it was.
    topic, place = topical.settings.topic, checkpoint(topical)
    found = topic and kafka.look(topic)
    assert topic and found and not kafka.has_more(found, place)
    kafka.check(topic, found, place)
    (partition, end), *_ = ((partition, end) for partition, end in found.ends.items() if end)
    lost = replace(found, beginnings={**found.beginnings, partition: end + 2}, ends={**found.ends, partition: end + 3})
    shorter = replace(found, ends={**found.ends, partition: end - 1})
    for now, said in ((lost, "2 messages were removed before they were read"), (shorter, "1 messages that were taken")):
        assert kafka.has_more(now, place)
        with pytest.raises(kafka.MessagesGone, match=rf"{said}.* remove {re.escape(str(place))} and run again"):
            kafka.check(topic, now, place)
    assert kafka.checkpoint("events.ingest", topic, replace(found, topic_id="another")) != place.name


def test_the_broker_of_the_containers_lets_in_who_shows_the_password(
    broker: Broker, topical: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, secret = free_port(), "a-word_with==" * 3
    for name in ("data", "work"):
        (tmp_path / name).mkdir()
    environment = {"KAFKA_HOST": "127.0.0.1", "KAFKA_PORT": port, "KAFKA_PASSWORD": secret, "KAFKA_JARS": broker.jars}
    environment |= {"KAFKA_DATA": tmp_path / "data", "KAFKA_WORK": tmp_path / "work"}
    for name, value in environment.items():
        monkeypatch.setenv(name, str(value))
    address = Path(f"kafka://reelmill@127.0.0.1:{port}/events")
    settings = Settings(home=topical.settings.home, events=address, kafka_password=SecretStr(secret))
    with subprocess.Popen([REPOSITORY / "docker" / "kafka"], stdout=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 180
            while not (listens(port) and is_there(settings)):
                assert time.monotonic() < until and process.poll() is None
                time.sleep(0.05)
            with endpoint(settings) as api:
                send(api, like("e1"))
            assert ids(Lake(topical.spark, settings)) == ["e1"]
            monkeypatch.setattr(kafka, "PATIENCE_S", 2.0)
            wrong = Settings(home=settings.home, events=address, kafka_password=SecretStr("another"))
            with pytest.raises(kafka.BrokerUnreachable, match="Authentication failed"):
                has_arrived(Lake(topical.spark, wrong))
        finally:
            process.send_signal(signal.SIGTERM)
