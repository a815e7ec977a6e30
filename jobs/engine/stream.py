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
from jobs.engine.tables import Tables
from jobs.engine.versions import TableVersion, VersionLost, check_kept, is_there, table_version
from jobs.errors import LastingError
from jobs.host.files import appearing
from jobs.settings import Settings

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


def positions(table: str, settings: Settings) -> dict[str, int]:
    """By checkpoint, from which version of a table its stream goes on: all before were read, in batches that are done.

    0 while it is still reading what was there when it began.
    """
    table_id = str(Tables.of(settings).open(table).metadata().id)
    found = {}
    for checkpoint in settings.checkpoints.glob("*/offsets"):
        planned, done = (_batches(checkpoint.with_name(log)) for log in ("offsets", "commits"))
        batches = done or planned
        if not batches:
            continue
        source = json.loads(_plan(checkpoint.parent, max(batches))[-1])
        if source.get("reservoirId") == table_id:
            begun = not done or source["isStartingVersion"]
            found[checkpoint.parent.name] = 0 if begun else int(source["reservoirVersion"])
    return found


def held_in(record: Path) -> list[TableVersion]:
    """The versions that stand beside a checkpoint."""
    return [
        TableVersion(one["table"], one["version"], datetime.fromisoformat(one["committed_at"]))
        for one in json.loads(record.read_text())
    ]


def go_on_from_newest(table: str, settings: Settings) -> None:
    """Let every checkpoint go on after the newest version of a table, since all before are about to leave its log.

    Whoever calls it has the locks of these streams, which have read all that is theirs to read.
    """
    tables = Tables.of(settings)
    newest = table_version(tables, table, tables.version(table))
    for record in settings.checkpoints.glob(f"*/{TABLES}"):
        held = held_in(record)
        # What was lost before stays noted, for the next run to refuse.
        if there := [one for one in held if one.table == table and is_there(tables, one)]:
            _write(record, [newest if one in there else one for one in held])
    for name in positions(table, settings):
        if _asked_again(settings.checkpoints / name) < newest.version:
            _skip(settings.checkpoints / name, newest.version + 1)


def _asked_again(checkpoint: Path) -> int:
    """From which version on Spark asks for the last batch that is done again, when it begins; 0 if it is the only one.

    That is where the one before ended.
    """
    *_, before, _last = [None, None, *sorted(_batches(checkpoint / "commits"))]
    return 0 if before is None else int(json.loads(_plan(checkpoint, before)[-1])["reservoirVersion"])


def _skip(checkpoint: Path, position: int) -> None:
    """Note batches that are done and had nothing, up to a position in the table that the checkpoint's stream reads.

    Two of them: when it begins, Spark asks for the last one again, whose versions would be gone were it the first.
    """
    last = max(_batches(checkpoint / "commits"))
    done = (checkpoint / "commits" / str(last)).read_text()
    *head, offset = _plan(checkpoint, last)
    planned = "\n".join([*head, json.dumps({**json.loads(offset), "reservoirVersion": position})])
    for batch in (last + 1, last + 2):
        for log, text in (("offsets", planned), ("commits", done)):
            # The sum of what a killed run has left under this number.
            (checkpoint / log / f".{batch}.crc").unlink(missing_ok=True)
            with appearing(checkpoint / log / str(batch)) as file:
                file.write_text(text)


def _plan(checkpoint: Path, batch: int) -> list[str]:
    """Lines: the version of the format, one for the batch, and one for each source, here one, with where it ends."""
    return (checkpoint / "offsets" / str(batch)).read_text().splitlines()


def _batches(log: Path) -> list[int]:
    """The batches of which one of Spark's logs has a file."""
    return [int(file.name) for file in log.glob("*") if file.name.isdigit()]


def _remember(lake: Lake, tables: Sequence[str], checkpoint: Path) -> None:
    versions = ((table, lake.version(table)) for table in tables)
    held = [table_version(lake.tables, table, version) for table, version in versions if version >= 0]
    _write(checkpoint / TABLES, held)


def _write(record: Path, held: list[TableVersion]) -> None:
    with appearing(record) as file:
        file.write_text(json.dumps([asdict(one) for one in held], default=datetime.isoformat))


def _check(lake: Lake, job: str, checkpoint: Path) -> None:
    record = checkpoint / TABLES
    if not record.exists():
        return
    for held in held_in(record):
        try:
            check_kept(lake, held)
        except VersionLost as lost:
            raise CheckpointAhead(
                f"{lost} So {job} would skip what its checkpoint says was read, though the table no longer has it, and "
                f"nothing was read. Bring back the lake and {checkpoint} as of one moment; or remove {checkpoint} and "
                "run again: what is still there is read from its beginning, and counts once."
            ) from lost
