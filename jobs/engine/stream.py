"""Runs a stream until it has seen all that is there now, one batch after the other.

Belongs here: the files it starts from, the trigger, the checkpoint and the errors of a batch. What is done with a
batch: the jobs that stream.

A checkpoint says what was read, and the tables hold what became of it. Beside each checkpoint stands the version of its
tables (TABLES), since a lake that was restored from a backup, or a table that took another's place, lacks what the
checkpoint would skip.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession

from jobs.engine.lake import Lake
from jobs.engine.versions import TableVersion, VersionLost, check_kept, table_version
from jobs.errors import LastingError
from jobs.host.files import appearing

TABLES = "tables.json"


class CheckpointAhead(LastingError):
    """A stream has read more than its tables hold."""


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


def each_batch(
    lake: Lake, job: str, tables: Sequence[str], stream: DataFrame, handle: Callable[[DataFrame], None]
) -> None:
    """Hand over everything that arrived since the job's checkpoint, then return. Raises what `handle` raised.

    A batch is marked as done only after `handle` returned, so a run that dies in between hands over the very same
    batch once more: `handle` must not mind. `tables` are those that it writes, and the one that it streams from. Raises
    CheckpointAhead, before anything is handed over, when one of them lost what it held when the last batch was done.
    """
    checkpoint = lake.settings.checkpoints / job
    _check(lake, job, checkpoint)
    failures: list[Exception] = []

    def batch(frame: DataFrame, _: int) -> None:
        try:
            handle(frame)
            _remember(lake, tables, checkpoint)
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


def _remember(lake: Lake, tables: Sequence[str], checkpoint: Path) -> None:
    versions = ((table, lake.version(table)) for table in tables)
    held = [asdict(table_version(lake, table, version)) for table, version in versions if version >= 0]
    with appearing(checkpoint / TABLES) as file:
        file.write_text(json.dumps(held, default=datetime.isoformat))


def _check(lake: Lake, job: str, checkpoint: Path) -> None:
    record = checkpoint / TABLES
    if not record.exists():
        return
    for held in json.loads(record.read_text()):
        try:
            check_kept(lake, TableVersion(held["table"], held["version"], datetime.fromisoformat(held["committed_at"])))
        except VersionLost as lost:
            raise CheckpointAhead(
                f"{lost} So {job} would skip what its checkpoint says was read, though the table no longer has it, and "
                f"nothing was read. Bring back the lake and {checkpoint} as of one moment; or remove {checkpoint} and "
                "run again: what is still there is read from its beginning, and counts once."
            ) from lost
