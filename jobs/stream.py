"""Runs a stream until it has seen all that is there now, one batch after the other.

Belongs here: the files it starts from, the trigger, the checkpoint and the errors of a batch. What is done with a
batch: the jobs that stream.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession


def new_lines(spark: SparkSession, folder: Path) -> DataFrame | None:
    """The stream of lines (line, file, modified_at) of the visible *.jsonl files in a folder; None while there is none.

    Nobody may have handed anything in yet: there is nothing to do, and Spark would refuse a folder that is not there.
    """
    if not any(folder.glob("[!.]*.jsonl")):
        return None
    return (
        spark.readStream.format("text")
        # Hidden files are still being written, and Spark passes them over.
        .option("pathGlobFilter", "*.jsonl")
        .option("maxFilesPerTrigger", 1000)
        # By default a file is passed over in silence when it is a week older than the newest one; here none is, not
        # even one of 1970, which unpacking makes.
        .option("maxFileAge", "36500d")
        .load(str(folder))
        .selectExpr("value AS line", "_metadata.file_name AS file", "_metadata.file_modification_time AS modified_at")
    )


def each_batch(stream: DataFrame, checkpoint: Path, handle: Callable[[DataFrame], None]) -> None:
    """Hand over everything that arrived since the checkpoint, then return. Raises what `handle` raised.

    A batch is marked as done only after `handle` returned, so a run that dies in between hands over the very same
    batch once more: `handle` must not mind.
    """
    failures: list[Exception] = []

    def batch(frame: DataFrame, _: int) -> None:
        try:
            handle(frame)
        except Exception as error:
            failures.append(error)
            raise

    writer = stream.writeStream.foreachBatch(batch).option("checkpointLocation", str(checkpoint))
    query = writer.trigger(availableNow=True).start()
    try:
        query.awaitTermination()
    except StreamingQueryException as error:
        # Spark wraps the error in pages of JVM frames; the reader needs the sentence that was written for them.
        raise (failures[0] if failures else error) from None
