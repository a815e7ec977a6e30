"""Jars of Maven Central: fetched once, with all that they need, complete or not at all.

Belongs here: resolving packages, by the resolver that pip's pyspark brings, so that nobody has to install Maven. Which
packages, and where their jars are kept: jobs/engine/spark.py for Spark, kafka_process.py for a broker.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from jobs.errors import ReelmillError
from jobs.host import scratch
from jobs.host.files import give_name

# A driver whose executors are its own threads needs nobody to reach it; on a cluster the executors must.
LOOPBACK = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
# Spark never resolves it, since it has it.
_LEFT_OUT = "scala-library"


class JarsMissing(ReelmillError):
    """The JVM jars are not here, and Maven Central did not give them."""


def named(packages: Iterable[str]) -> set[str]:
    """The names that the jars of these packages have here."""
    return {re.sub(r"^(.*):(.*):(.*)$", r"\1_\2-\3.jar", package) for package in packages}


def there(folder: Path) -> set[str]:
    """The names of the jars in a folder."""
    return {jar.name for jar in folder.glob("*.jar")}


def fetch(packages: Sequence[str], into: Path, *, excludes: str = "", is_for_spark: bool = True) -> None:
    """Make a folder with the jars of these packages, and of all that they need. Raises JarsMissing.

    Those for Spark are without what pip's pyspark brings itself.
    """
    import pyspark

    own = [*(Path(pyspark.__file__).parent / "jars").glob("*.jar")]
    with tempfile.TemporaryDirectory(dir=into.parent) as place:
        resolved = _resolve(packages, excludes, Path(place))
        if is_for_spark:
            # A second copy on the class path would be picked at random.
            brought = {_artifact(jar.name) for jar in own}
            for jar in resolved.iterdir():
                if _artifact(jar.name.split("_", 1)[1]) in brought:
                    jar.unlink()
        else:
            for jar in own:
                if _artifact(jar.name) == _LEFT_OUT:
                    shutil.copy(jar, resolved)
        give_name(resolved, into)


def _resolve(packages: Sequence[str], excludes: str, place: Path) -> Path:
    script = "from pyspark.sql import SparkSession as S; S.builder.getOrCreate().stop()"
    conf = {
        "spark.jars.packages": ",".join(packages),
        "spark.jars.excludes": excludes,
        "spark.jars.ivy": str(place),
        "spark.local.dir": str(place),
        "spark.driver.extraJavaOptions": scratch.java_options(place),
        "spark.ui.enabled": "false",
        "spark.master": "local[1]",
        **LOOPBACK,
    }
    # pyspark splits this text as a shell would, and a checkout may lie under a path with a space.
    submit = shlex.join([*(f"--conf={k}={v}" for k, v in conf.items() if v), "pyspark-shell"])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "PYSPARK_SUBMIT_ARGS": submit,
            "TMPDIR": str(place),
            "SPARK_LAUNCHER_OPTS": scratch.NO_COUNTERS,
        },
        capture_output=True,
        text=True,
    )
    resolved = place / "jars"
    if done.returncode or not there(resolved):
        tail = "\n".join(done.stderr.splitlines()[-15:])
        raise JarsMissing(f"Maven Central did not give {', '.join(packages)}:\n{tail}")
    return resolved


def _artifact(file_name: str) -> str:
    """`delta-storage-4.4.0.jar` -> `delta-storage`."""
    return re.sub(r"-\d.*$", "", file_name)
