"""Lines that wait in a Kafka topic: reading them with Spark, and telling without Spark whether there are more.

Belongs here: a topic as a stream of lines, like that of files in jobs/engine/stream.py, and how far a checkpoint of
Spark's has come in it. What a line means: jobs/events/ingest.py. Producing to the topic: serving/producer.py. A broker
for a laptop: jobs/host/kafka_process.py.

A checkpoint belongs to one topic by the id that Kafka gave it when it was made: one that was made anew under the same
name, or that of another cluster, has other messages at the same offsets, and is read from its beginning.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.errors import LastingError, ReelmillError
from serving.topic import Topic

if TYPE_CHECKING:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

# Of one batch: some 300 MB of events.
MAX_MESSAGES = 1_000_000
# A broker that is there answers in milliseconds.
PATIENCE_S = 5.0


class BrokerUnreachable(ReelmillError):
    """The brokers of the topic do not answer, or not us."""

    def __init__(self, topic: Topic, why: str) -> None:
        super().__init__(
            f"The topic {topic} cannot be read: {why}. Start it, or set REELMILL_EVENTS to where events are. "
            "What it has is taken in by the next run."
        )


class MessagesGone(LastingError):
    """The topic no longer has messages that were not taken in."""


@dataclass(frozen=True)
class Found:
    """A topic as it is now: Kafka's id of it, and by partition the offset where it begins and the one where it ends."""

    topic_id: str
    beginnings: dict[int, int]
    ends: dict[int, int]


def look(topic: Topic) -> Found | None:
    """What the topic has now; None before anything was produced to it, when there is none. Raises BrokerUnreachable."""
    from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
    from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # goes when it is exported

    # Why no broker answers is told here; the exception says only that none did.
    errors: list[KafkaError] = []
    options: dict[str, Any] = {**topic.client, "error_cb": errors.append}
    client = AdminClient(options)
    try:
        asked = client.describe_topics(TopicCollection([topic.name]), request_timeout=PATIENCE_S)
        described = asked[topic.name].result()
        partitions = [TopicPartition(topic.name, partition.id) for partition in described.partitions]
        return Found(
            str(described.topic_id),
            _offsets(client, dict.fromkeys(partitions, OffsetSpec.earliest())),  # type: ignore[no-untyped-call]
            _offsets(client, dict.fromkeys(partitions, OffsetSpec.latest())),  # type: ignore[no-untyped-call]
        )
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        client.poll(0)
        raise BrokerUnreachable(topic, (errors or error.args)[0].str()) from error


def kept_for(topic: Topic) -> str:
    """How long the brokers keep what the topic has, in words; also where no broker answers."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]  # as above

    asked = ConfigResource(ConfigResource.Type.TOPIC, topic.name)
    # By a name: without one the client would be gone before its answer.
    client = AdminClient(dict(topic.client))
    try:
        answer = client.describe_configs([asked], request_timeout=PATIENCE_S)[asked].result()
    except KafkaException as error:
        return f"as long as it is set to ({error.args[0].str()})"
    milliseconds = int(answer["retention.ms"].value)
    return "ever" if milliseconds < 0 else f"{milliseconds / 86_400_000:g} days"


def checkpoint(job: str, topic: Topic, found: Found) -> str:
    """The name of the job's checkpoint for that topic."""
    # What it is made of is letters, digits and these: . _ - + and /, of which a name of a folder can have all but one.
    return f"{job}.{topic.name}.{found.topic_id.replace('/', '_')}"


def has_more(found: Found, checkpoint: Path) -> bool:
    """Whether a run would find messages beyond those of the last batch that was done, or cannot go on."""
    done = _done(checkpoint)
    return any(end != done.get(partition, found.beginnings[partition]) for partition, end in found.ends.items())


def check(topic: Topic, found: Found, checkpoint: Path) -> None:
    """Raises MessagesGone when the topic does not have, or no longer has, what comes after the last batch."""
    for partition, offset in sorted(_done(checkpoint).items()):
        begins, ends = found.beginnings.get(partition, 0), found.ends.get(partition, 0)
        if begins <= offset <= ends:
            continue
        what = (
            f"{begins - offset} messages were removed before they were read"
            if offset < begins
            else f"{offset - ends} messages that were taken in are gone, and others would take their places"
        )
        raise MessagesGone(
            f"In partition {partition} of the topic {topic}, {what}: {offset} is next, there are {begins} to {ends}. "
            f"Nothing was read. To go on with what is there, remove {checkpoint} and run again: it is read from its "
            "beginning, and counts once."
        )


def forget_undone(checkpoint: Path) -> None:
    """Take back what was planned as the batch after the last that was done, so that it is planned anew.

    It then has those messages and what came since, of which each counts once all the same. Spark 4.1's source fails
    after it has repeated a batch (apache/spark#55236); this goes with it.
    """
    newest = max(_numbers(checkpoint / "commits"), default=-1)
    for number in _numbers(checkpoint / "offsets"):
        if number > newest:
            (checkpoint / "offsets" / f".{number}.crc").unlink(missing_ok=True)
            (checkpoint / "offsets" / f"{number}").unlink()


def new_messages(spark: SparkSession, topic: Topic) -> DataFrame:
    """The stream of lines (line, file, modified_at) of a topic, each message a line and a file of its own."""
    return (
        spark.readStream.format("kafka")
        .options(**_options(topic))
        .option("subscribe", topic.name)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", MAX_MESSAGES)
        .load()
        .select(
            F.col("value").cast("string").alias("line"),
            # Two equal lines are two messages, and quarantine keeps both.
            F.concat_ws("/", "topic", "partition", "offset").alias("file"),
            F.col("timestamp").alias("modified_at"),
        )
    )


def _options(topic: Topic) -> dict[str, str]:
    """What the Java client needs of what the address says."""
    options = {"bootstrap.servers": topic.servers, **topic.security}
    if topic.user:
        module = "plain.PlainLoginModule" if topic.mechanism == "PLAIN" else "scram.ScramLoginModule"
        login = f"username={_quoted(topic.user)} password={_quoted(topic.password or '')}"
        options["sasl.jaas.config"] = f"org.apache.kafka.common.security.{module} required {login};"
    if topic.ca:
        options |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": topic.ca}
    return {f"kafka.{name}": value for name, value in options.items()}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _done(checkpoint: Path) -> dict[int, int]:
    """By partition, the offset after the last message of the last batch that was done; nothing before the first."""
    batches = _numbers(checkpoint / "commits")
    if not batches:
        return {}
    # A line for the version of the format, one for the batch, and one for the offsets of each source, here one.
    *_, offsets = (checkpoint / "offsets" / str(max(batches))).read_text().splitlines()
    ((_, partitions),) = json.loads(offsets).items()
    return {int(partition): offset for partition, offset in partitions.items()}


def _numbers(log: Path) -> list[int]:
    """The batches of which one of Spark's logs has a file."""
    return [int(file.name) for file in log.glob("*") if file.name.isdigit()]


def _offsets(client: AdminClient, asked: dict[TopicPartition, Any]) -> dict[int, int]:
    answers = client.list_offsets(asked, request_timeout=PATIENCE_S)
    return {partition.partition: answer.result().offset for partition, answer in answers.items()}
