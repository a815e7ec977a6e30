"""Takes events in from the spool, each exactly once, and keeps every line that is no event with the reason.

Belongs here: reading the spool's files, telling an event from a broken line, dropping repeated deliveries. Whether an
event's values are plausible is said by the contract of bronze.events and checked by the lake. What the events mean:
watches.py.
"""

from __future__ import annotations

from functools import partial

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

import data_contracts
from jobs.job import Window, job
from jobs.lake import Lake
from jobs.stream import each_batch, new_lines

TABLE = "bronze.events"
# A time without a zone, or a bare number, is a guess.
INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$"
STRICT_JSON = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}


def parse(lines: DataFrame) -> DataFrame:
    """Lines (line, file, modified_at) to the columns of bronze.events, `line`, `file`, and `reason` where it is none.

    `received_at` is the event's own; where it says none, the time at which its file was last modified, but never
    before the event. A line holds exactly one JSON object; what two torn writes leave behind on one line is refused.
    """
    columns = data_contracts.load(TABLE).columns
    fields = ", ".join(f"{c.name}: string" for c in columns)
    # Wrapped, because Spark's parser stops after the first value of a line and would never see that a second follows.
    wrapped = F.concat(F.lit('{"event":'), F.col("line"), F.lit(',"is_whole":true}'))
    read = F.from_json(wrapped, f"event struct<{fields}>, is_whole boolean", STRICT_JSON)
    raw = lines.withColumn("_read", read).withColumn("_raw", F.when(F.col("_read.is_whole"), F.col("_read.event")))
    typed = raw.select(
        "line",
        "file",
        "modified_at",
        F.col("_raw"),
        *[_typed(F.col(f"_raw.{c.name}"), c.type).alias(c.name) for c in columns],
    )
    wrong = [
        F.when(
            F.col(f"_raw.{c.name}").isNotNull() & F.col(c.name).isNull(),
            F.format_string(f"{c.name} is no {c.type}: %s", F.substring(f"_raw.{c.name}", 1, 80)),
        )
        for c in columns
        if c.type != "string"
    ]
    # received_at may be filled in below; the other columns that every event needs may not.
    missing = [
        F.when(F.col(c.name).isNull(), F.lit(f"{c.name} is missing"))
        for c in columns
        if c.required and c.name != "received_at"
    ]
    reason = F.coalesce(F.when(F.col("_raw").isNull(), F.lit("the line is not one JSON object")), *wrong, *missing)
    received_at = F.coalesce("received_at", F.greatest("modified_at", "event_at"))
    return typed.withColumn("reason", reason).withColumn("received_at", received_at).drop("_raw", "modified_at")


def once(events: DataFrame) -> DataFrame:
    """One row for each event_id: the one received first, and among those a fixed one."""
    columns = [c.name for c in data_contracts.load(TABLE).columns]
    order = ["received_at", *(c for c in columns if c != "received_at")]
    first = events.groupBy("event_id").agg(F.min(F.struct(*order)).alias("first"))
    return first.select(*[F.col(f"first.{c}").alias(c) for c in columns])


def take_in(lake: Lake, lines: DataFrame) -> None:
    """One batch of lines into bronze.events and its quarantine; the same batch again changes neither."""
    parsed = parse(lines.where(F.trim("line") != "")).persist()
    try:
        broken = parsed.where(F.col("reason").isNotNull())
        if not broken.isEmpty():
            lake.quarantine(TABLE, broken.select("file", "line", "reason"), "line_is_an_event")
        lake.insert_new(TABLE, once(parsed.where(F.col("reason").isNull())))
    finally:
        parsed.unpersist()


@job(every="5min", reads=[], writes=[TABLE])
def run(lake: Lake, window: Window) -> None:
    lines = new_lines(lake.spark, lake.settings.events)
    if lines is not None:
        each_batch(lines, lake.settings.checkpoints / run.name, partial(take_in, lake))


def _typed(text: Column, kind: str) -> Column:
    """The text as the contract's type, NULL where it is none; an empty text says nothing."""
    if kind == "string":
        return F.when(text != "", text)
    if kind == "timestamp":
        return F.when(text.rlike(INSTANT), text.try_cast(kind))
    return text.try_cast(kind)
