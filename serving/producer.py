"""Events into a Kafka topic, as the spool takes them into a folder.

Belongs here: what it takes until an event is safe there, and what to say when it is not. The address of the topic, and
how its brokers are asked: topic.py. What an event must look like: events.py. Reading the topic: jobs/arrivals/kafka.py.

A message is one event as the spool would keep it, under its viewer's id as the key. It is safe when all replicas that
the topic demands have it (acks=all; how many that are, min.insync.replicas says at the broker).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from serving.spool import AS_JSON, rejected_record
from serving.topic import REJECTED, Topic

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

# A client waits for its answer so long. What the broker gets later all the same has the same ids, and counts once.
PATIENCE_S = 5.0
# Of events for which there is no answer yet: some 100,000 of them. Beyond it they are refused at once.
MAX_WAITING_KB = 64 << 10
_READINESS_S = 2.0
_log = logging.getLogger(__name__)


class BrokerAway(Exception):
    """The broker did not confirm in time that it has the events, or cannot be asked."""


class EventTopic:
    """Takes events from one process; any number of processes may share the topic. Thread-safe.

    Without Kafka's idempotence: a message that is sent again has the id of its event, by which the ingest counts it
    once, and an idempotent producer can get into a state that only a new one gets out of.
    """

    def __init__(self, topic: Topic) -> None:
        # Here, as one of two places for events: those who have the other need not load it.
        from confluent_kafka import Producer

        self._topic = topic
        self._producer = Producer(
            {
                **topic.client,
                "acks": "all",
                "message.timeout.ms": int(PATIENCE_S * 1000),
                "queue.buffering.max.kbytes": MAX_WAITING_KB,
                # Somebody waits for each request; those of the same moment go together even so.
                "linger.ms": 0,
            }
        )
        self._closing = threading.Event()
        self._reporter = threading.Thread(target=self._report, name="kafka deliveries", daemon=True)
        self._reporter.start()

    def append(self, events: Sequence[Mapping[str, object]]) -> Future[None]:
        """Send `events`; what is returned ends when all are safe, and in BrokerAway when one may not be.

        Those that are safe by then stay. Raises BrokerAway at once where too many wait already.
        """
        from confluent_kafka import KafkaException

        deliveries = _Deliveries(len(events))
        try:
            for event in events:
                value = orjson.dumps(event, option=AS_JSON)
                self._producer.produce(
                    self._topic.name, value, key=str(event["user_id"]), on_delivery=deliveries.delivered
                )
        except (BufferError, KafkaException) as error:
            raise BrokerAway(f"the topic {self._topic} cannot be given more: {error}") from error
        return deliveries.all

    def reject(self, raw: bytes, reason: str, received_at: datetime) -> None:
        """Send the beginning of what was refused to the topic beside this one, from which no job reads.

        Where that cannot be done the log says so: its sender is told anyway, and nothing beside it may suffer.
        """
        from confluent_kafka import KafkaException

        value = orjson.dumps(rejected_record(raw, reason, received_at), option=AS_JSON)
        try:
            self._producer.produce(self._topic.name + REJECTED, value, on_delivery=_kept_or_logged)
        except (BufferError, KafkaException):
            _log.exception("cannot keep what was refused: %s", reason)

    def why_it_takes_nothing(self) -> str | None:
        """What keeps events out, if anything does."""
        from confluent_kafka import KafkaException

        try:
            found = self._producer.list_topics(self._topic.name, timeout=_READINESS_S).topics[self._topic.name]
        except KafkaException as error:
            return f"the topic {self._topic} does not answer: {error.args[0].str()}"
        return f"the topic {self._topic} takes no events: {found.error.str()}" if found.error else None

    def close(self) -> None:
        """Wait for what is on its way, as long as a client would."""
        # First, since reports come from one thread at a time.
        self._closing.set()
        self._reporter.join()
        self._producer.flush(PATIENCE_S)

    def _report(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.5)


class _Deliveries:
    """How many messages of one call are still on their way. Reports come from one thread, one after the other."""

    def __init__(self, messages: int) -> None:
        self._left = messages
        self.all: Future[None] = Future()
        # What is on its way cannot be taken back, so whoever waits no more does not cancel it.
        self.all.set_running_or_notify_cancel()

    def delivered(self, error: KafkaError | None, _: Message) -> None:
        self._left -= 1
        if self.all.done():
            return
        if error is not None:
            self.all.set_exception(BrokerAway(f"an event was not confirmed: {error.str()}"))
        elif self._left == 0:
            self.all.set_result(None)


def _kept_or_logged(error: KafkaError | None, _: Message) -> None:
    if error is not None:
        _log.error("cannot keep what was refused: %s", error.str())
