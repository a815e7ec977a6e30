"""The one place that starts a Spark session, and the jars it starts with.

Belongs here: session configuration and the reason of each entry. Fetching jars: jobs/host/maven.py. What is read and
written: lake.py.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jobs.host import bucket, java, maven, scratch
from jobs.host.files import give_name
from jobs.host.locks import FileLock
from jobs.host.maven import JarsMissing
from jobs.settings import REPOSITORY, Settings

if TYPE_CHECKING:
    from pyspark import RDD
    from pyspark.sql import SparkSession

T = TypeVar("T")

# 4.4.1 is on PyPI without a jar on Maven Central; keep in step with delta-spark in pyproject.toml.
PACKAGES = ("io.delta:delta-spark_4.1_2.13:4.4.0",)
# What a lake in a bucket needs. The SDK that hadoop-aws asks for holds every service of Amazon's, 640 MB; these are the
# parts of it that are used, 18 MB. Keep in step with pyspark's Hadoop, and with the SDK in hadoop-aws' own POM.
S3_PACKAGES = (
    "org.apache.hadoop:hadoop-aws:3.4.2",
    "software.amazon.awssdk:s3-transfer-manager:2.29.52",
    "software.amazon.awssdk:sts:2.29.52",
)
# What reads a topic of Kafka's. Of 4.1.2 and newer, Maven Central lacks the token provider, which they load.
KAFKA_PACKAGES = ("org.apache.spark:spark-sql-kafka-0-10_2.13:4.1.1",)
# Where they are, beside the jars that all need.
OF_S3, OF_KAFKA = "s3", "kafka"
LOG_STORE = REPOSITORY / "jobs" / "engine" / "ConditionalLogStore.scala"
JVM_OPTIONS = "spark.driver.extraJavaOptions"
LOG4J = REPOSITORY / "jobs" / "engine" / "log4j2.properties"
# How long a JVM that is told to end may take: less than the ten seconds after which a container is killed.
GRACE_S = 5.0
# The rooms that tasks import from.
CODE = ("jobs", "data_contracts", "feature_repo", "serving")


def jars(settings: Settings) -> list[Path]:
    """The resolved jars that these settings need. Raises JarsMissing when there are none."""
    found = [sorted(folder.glob("*.jar")) for folder in _folders(settings)]
    if not all(found):
        raise JarsMissing(f"No JVM jars in {settings.jars}. Run `reelmill setup`, which resolves them once from Maven.")
    return [*chain(*found)]


def jars_are_current(settings: Settings) -> bool:
    """Whether the cache holds the jars that these settings need, and not those of an earlier release of ours."""
    return all(names <= maven.there(folder) for folder, names in _folders(settings).items())


def _folders(settings: Settings) -> dict[Path, set[str]]:
    """The folders of jars that these settings need, each with what is there when it is whole."""
    of_s3 = {*maven.named(S3_PACKAGES), _log_store().name}
    return {
        settings.jars: maven.named(PACKAGES),
        **({settings.jars / OF_S3: of_s3} if settings.lake_bucket else {}),
        **({settings.jars / OF_KAFKA: maven.named(KAFKA_PACKAGES)} if settings.topic else {}),
    }


def configuration(settings: Settings) -> dict[str, str]:
    """Every Spark property we set; spark-submit and sessions started here use the same ones."""
    return {
        "spark.master": settings.spark_master,
        "spark.driver.memory": settings.spark_memory,
        # Local jars, not spark.jars.packages: that one needs seconds and the network at every start.
        "spark.jars": ",".join(map(str, jars(settings))),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # Delta replays its log in 50 partitions by default, which makes a small merge take 15 s instead of 2.
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Nor has it anywhere to show the plans of queries that have ended, of which it would keep a thousand.
        "spark.sql.ui.retainedExecutions": "1",
        "spark.log.level": "ERROR",
        JVM_OPTIONS: f'"-Dlog4j2.configurationFile={LOG4J.as_uri()}" -Duser.timezone=UTC'
        # A heap that is exhausted in a result thread would leave the command waiting for ever.
        " -XX:+ExitOnOutOfMemoryError",
        # The embedded Hive metastore would drop its files into the working directory; nothing here uses one.
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(settings.home / "spark-warehouse"),
        # More than this as one result belongs in a table; without a limit it ends as an exhausted heap.
        "spark.driver.maxResultSize": "1g",
        **(_of_this_machine() if settings.is_local else _of_a_cluster(settings)),
        **(_of_a_bucket() if settings.lake_bucket else {}),
    }


def _of_this_machine() -> dict[str, str]:
    return {"spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1)), **maven.LOOPBACK}


def _of_a_cluster(settings: Settings) -> dict[str, str]:
    """What else there is to say where executors are processes of their own, most of them of other machines.

    How many cores a job gets, and how many parts an exchange has, is for who runs the cluster: spark-defaults.conf.
    """
    return {
        "spark.executor.memory": settings.spark_memory,
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC -XX:+ExitOnOutOfMemoryError",
    }


def _of_a_bucket() -> dict[str, str]:
    """What makes s3://bucket an address that Spark knows as delta-rs does. Keys it takes from the environment."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    elsewhere = {"endpoint": bucket.endpoint(), "path.style.access": "true"} if bucket.endpoint() else {}
    options = {"endpoint.region": region, **elsewhere}
    return {
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.delta.logStore.s3.impl": "reelmill.ConditionalLogStore",
        **{f"spark.hadoop.fs.s3a.{name}": value for name, value in options.items() if value},
    }


def session(settings: Settings, name: str = "reelmill") -> SparkSession:
    """The running session, or a new one; the first one on a machine fetches its jars.

    Raises JarsMissing or JavaMissing with what to do.
    """
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    # As it is: the builder would put back whatever its owner has configured otherwise since.
    if running := SparkSession.getActiveSession():
        return running
    if "JAVA_HOME" not in os.environ:
        found = java.find()
        if found is None:
            raise java.JavaMissing
        os.environ["JAVA_HOME"] = str(found.home)
    resolve_jars(settings)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if settings.is_local:
        # Without this the JVM looks the host's name up, which fails or waits on machines without DNS.
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    if SparkContext._active_spark_context is None:
        scratch.stay_home(settings)
    place = Path(tempfile.gettempdir())
    conf = configuration(settings)
    conf[JVM_OPTIONS] += f" {scratch.java_options(place)}"
    if not settings.is_local:
        conf["spark.executorEnv.PYTHONPATH"] = str(_shared_code(settings))
    builder = SparkSession.builder.appName(name).config("spark.local.dir", str(place))
    for key, value in conf.items():
        builder = builder.config(key, value)
    # Every failed query would be told again on stderr, as one line of JSON with the whole JVM stack.
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL)
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    with _jvm_log(settings.home / "logs" / "spark.log"):
        return builder.getOrCreate()


def end() -> None:
    """End the JVM of this process if it has one, and all that it started, and wait until it is gone."""
    from pyspark import SparkContext

    process: subprocess.Popen[bytes] | None = getattr(SparkContext._gateway, "proc", None)
    if process is None or process.stdin is None:
        return
    if context := SparkContext._active_spark_context:
        # Else it would print that its line to the JVM broke.
        context._accumulatorServer.shutdown()
    # The end of its input is what it waits for; it then stops Spark in order.
    process.stdin.close()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _shared_code(settings: Settings) -> Path:
    """A copy of our code below the home, which the workers of a cluster see, until this process ends.

    Tasks run the code of the driver that sent them, whatever release is installed where they run.
    """
    place = scratch.folder(settings) / "code"
    for room in CODE:
        # With what is compiled of it, but not with what another process is about to put there.
        unfinished = shutil.ignore_patterns("*.pyc.*")
        shutil.copytree(REPOSITORY / room, place / room, ignore=unfinished, dirs_exist_ok=True)
    return place


def with_cores(tasks: RDD[T], cores: int) -> RDD[T]:
    """The same tasks, each of which takes so many cores of a cluster's executor, or all that the smallest one has.

    In local mode Spark knows no such request.
    """
    from pyspark.resource import ResourceProfileBuilder, TaskResourceRequests

    context = tasks.context
    executors = context._jsc.sc().statusStore().executorList(True)
    there = [executors.apply(number) for number in range(executors.size())]
    # A task that asks for more than any has would wait for ever.
    fewest = min((executor.totalCores() for executor in there if executor.id() != "driver"), default=1)
    if (asked := min(cores, fewest)) <= 1:
        return tasks
    return tasks.withResources(ResourceProfileBuilder().require(TaskResourceRequests().cpus(asked)).build)


def resolve_jars(settings: Settings) -> None:
    """Fetch the jars from Maven Central unless they are here, complete or not at all. Raises JarsMissing."""
    if jars_are_current(settings):
        return
    with FileLock(settings.jars.with_name("jars.lock")):
        if not jars_are_current(settings):  # else who had the lock before has fetched them
            _fetch_jars(settings)


def _fetch_jars(settings: Settings) -> None:
    with tempfile.TemporaryDirectory(dir=settings.jars.parent) as place:
        new = Path(place, "new")
        # Those that all need come first: with new ones, the others beside them go, and are fetched anew too.
        for folder, names in _folders(settings).items():
            if names <= maven.there(folder):
                continue
            if folder == settings.jars / OF_S3:
                maven.fetch(S3_PACKAGES, new, excludes="software.amazon.awssdk:bundle")
                _compile(LOG_STORE, new / _log_store().name, settings.jars)
            else:
                maven.fetch(PACKAGES if folder == settings.jars else KAFKA_PACKAGES, new)
            shutil.rmtree(folder, ignore_errors=True)
            # The names of the jars alone say later that all is there (jars_are_current).
            give_name(new, folder)


def _log_store() -> Path:
    """The jar of LOG_STORE: its name says from which text it was made."""
    return Path(f"reelmill-{hashlib.sha256(LOG_STORE.read_bytes()).hexdigest()[:12]}.jar")


def _compile(source: Path, jar: Path, libraries: Path) -> None:
    """Compile a Scala file with the compiler that pip's pyspark brings for its shell, which needs no JDK."""
    import pyspark

    own = Path(pyspark.__file__).parent / "jars"
    known = [*libraries.glob("*.jar"), *own.glob("hadoop-client-api-*.jar"), *own.glob("scala-library-*.jar")]
    found = java.find()
    if found is None:
        raise java.JavaMissing
    command = [str(found.home / "bin" / "java"), scratch.NO_COUNTERS, "-cp", f"{own}/*", "scala.tools.nsc.Main"]
    command += ["-nobootcp", "-cp", os.pathsep.join(map(str, known)), "-d", str(jar), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise JarsMissing(f"{source} does not compile:\n{done.stdout}{done.stderr}")


@contextmanager
def _jvm_log(path: Path) -> Iterator[None]:
    """Let a JVM that starts meanwhile write its stderr to a file: it inherits the descriptor for life.

    Its warnings are for whoever debugs Spark; a failure also reaches Python as an exception with its cause.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    kept = os.dup(2)
    with path.open("ab") as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
