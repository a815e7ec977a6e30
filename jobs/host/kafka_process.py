"""One Kafka broker over one folder: a KRaft node that is its own controller, on loopback, for a laptop and for tests.

Belongs here: its jars, its configuration, starting it and ending it. The command that people use: `make kafka`
(jobs/command/broker.py). What is in a topic: jobs/arrivals/kafka.py. The broker of docker-compose.yml: docker/kafka.

    <folder>/server.lock          held by the broker itself, which inherits the descriptor: taken = a broker runs here
    <folder>/server.properties    written at each start
    <folder>/data                 topics, and what the node knows of itself
    <folder>/kafka.log            what it says

It has no password, so that it listens on 127.0.0.1 alone. A topic is made by its first event.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jobs.errors import ReelmillError
from jobs.host import java, maven, scratch
from jobs.host.files import give_name
from jobs.host.locks import FileLock
from jobs.host.ports import free_port
from jobs.host.redis_process import try_lock
from jobs.settings import Settings

# The newest of the line whose jars Maven Central has whole, and what writes its log.
PACKAGES = ("org.apache.kafka:kafka_2.13:4.1.2", "org.slf4j:slf4j-simple:2.0.17")
# Beside the folder of Spark's, with everything that a JVM without Spark needs.
JARS = "kafka-server"
# One broker: what Kafka would keep three times is kept once. Two partitions, as two cores read them.
CONFIGURATION = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={data}
num.partitions=2
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.cleaner.dedupe.buffer.size=4194304
"""
_START_S = 180.0  # three seconds on a quiet machine
_STOP_S = 20.0
_POLL_S = 0.05


class BrokerStuck(ReelmillError):
    """The broker does not start, or another runs on its folder."""


def resolve_jars(settings: Settings) -> Path:
    """The folder with the broker's jars, fetched from Maven Central unless they are there. Raises JarsMissing."""
    folder = settings.jars.with_name(JARS)
    with FileLock(folder.with_name(f"{JARS}.lock")):
        if not maven.named(PACKAGES) <= maven.there(folder):
            with tempfile.TemporaryDirectory(dir=folder.parent) as place:
                maven.fetch(PACKAGES, Path(place, "new"), is_for_spark=False)
                shutil.rmtree(folder, ignore_errors=True)
                give_name(Path(place, "new"), folder)
    return folder


@contextmanager
def broker(folder: Path, jars: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The broker of a folder, which answers at 127.0.0.1:`port` until the context is left.

    Raises BrokerStuck and java.JavaMissing. A broker that was killed has what it acknowledged: start it again.
    """
    process = start(folder, jars, port)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start(folder: Path, jars: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the broker of a folder, and wait until it answers. Raises BrokerStuck and java.JavaMissing."""
    folder.mkdir(parents=True, exist_ok=True)
    # Kafka's own lock comes late: two at once have written into one log of what the node knows, and broken it.
    lock = os.open(folder / "server.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if not try_lock(lock):
            raise BrokerStuck(f"A Kafka broker runs on {folder} already; stop it first.")
        return _start(folder, jars, port, lock)
    finally:
        os.close(lock)


def _start(folder: Path, jars: Path, port: int, lock: int) -> subprocess.Popen[bytes]:
    data, properties, log = folder / "data", folder / "server.properties", folder / "kafka.log"
    properties.write_text(CONFIGURATION.format(port=port, controller=free_port(), data=data))
    command = _java(folder, jars)
    if not (data / "meta.properties").exists():
        shutil.rmtree(data, ignore_errors=True)  # what an interrupted first start has left
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", f"--config={properties}"]
        done = subprocess.run([*command, *tool], capture_output=True, text=True)
        if done.returncode:
            raise BrokerStuck(f"Kafka cannot make its folder {data}: {done.stdout}{done.stderr}")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "kafka.Kafka", str(properties)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[lock],
        )
    if not _answers(process, data, port):
        process.kill()
        process.wait()
        last = " / ".join(log.read_text(errors="replace").splitlines()[-3:])
        raise BrokerStuck(f"Kafka does not start at port {port}; its last words, from {log}: {last}")
    return process


def _java(folder: Path, jars: Path) -> list[str]:
    found = java.find()
    if found is None:
        raise java.JavaMissing
    options = ["-Xmx256m", f"-Djava.io.tmpdir={folder}", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    return [str(found.home / "bin" / "java"), scratch.NO_COUNTERS, *options, "-cp", f"{jars}{os.sep}*"]


def _answers(process: subprocess.Popen[bytes], data: Path, port: int) -> bool:
    """Wait until this broker answers, and no other that has the port; False when it has ended, or not in minutes."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 2, "reconnect.backoff.max.ms": 200})
    until = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < until:
        with suppress(KafkaException):
            cluster = client.list_topics(timeout=1).cluster_id
            if f"cluster.id={cluster}\n" in (data / "meta.properties").read_text():
                return True
        time.sleep(_POLL_S)
    return False
