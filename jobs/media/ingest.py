"""Uploads as handed over: each line of the landing area's manifests, once, into bronze.uploads.

Belongs here: reading manifests and giving their values types. Opening the media: publish.py.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StringType

import data_contracts
from jobs.arrivals.lines import REFUSED, is_one_object, kept
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.stream import each_batch, new_lines
from jobs.engine.window import Window
from jobs.media.hashtags import normal_hashtags
from jobs.settings import Settings

TABLE = "bronze.uploads"
# The kernel notes a file's time by a clock that may be a tick behind.
CLOCK_S = 1.0
# A time without a zone is a guess.
INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"


def parsed(lines: DataFrame) -> DataFrame:
    """Manifest lines (`line`, `file`) to the columns of bronze.uploads, and `problem`: NULL for a good line.

    Blank lines are skipped. A line with a problem has only `line`, `file` and `problem` to be trusted. A line may say
    its problem itself (`refused`): so an importer hands over the rows of a file that it cannot use.
    """
    columns = data_contracts.load(TABLE).columns
    # A manifest has the table's own columns, and JSON no type for times.
    fields = ", ".join(f"{c.name}: {'string' if c.type == 'timestamp' else c.type}" for c in columns)
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": "bad"}
    read = F.from_json("line", f"struct<{fields}, {REFUSED}: string, bad: string>", options)
    rows = lines.where(F.trim("line") != "").withColumn("_read", read)
    is_bad = ~is_one_object("line") | F.col("_read.bad").isNotNull()
    rows = rows.select("line", "file", is_bad.alias("is_bad"), "_read.*")
    uploaded_at = F.when(F.col("uploaded_at").rlike(INSTANT), F.col("uploaded_at").try_cast("timestamp"))
    # In Python, since Spark's SQL has no NFKC. Made here: it loads pandas, which no DAG file may wait for.
    spelled = F.udf(normal_hashtags, ArrayType(StringType()), useArrow=True)
    values = {"hashtags": spelled(F.coalesce("hashtags", F.array())), "uploaded_at": uploaded_at}
    problem = (
        F.when(F.col("is_bad"), "not one JSON object with the manifest's columns")
        .when(F.col(REFUSED).isNotNull(), F.col(REFUSED))
        .when(F.col("upload_id").isNull(), "upload_id is missing")
        .when(uploaded_at.isNull(), "uploaded_at is no ISO-8601 time with a zone")
    )
    typed = [values.get(c.name, F.col(c.name)).alias(c.name) for c in columns]
    return rows.select("line", "file", problem.alias("problem"), *typed)


def uploads(good: DataFrame) -> DataFrame:
    """The rows of bronze.uploads from parsed lines; of several lines for one upload, the earliest counts."""
    order = Over.partitionBy("upload_id").orderBy("uploaded_at", "line")
    first = good.withColumn("_nth", F.row_number().over(order)).where("_nth = 1")
    return first.select(*[c.name for c in data_contracts.load(TABLE).columns])


def take_in(lake: Lake, lines: DataFrame) -> None:
    """One batch of lines into bronze.uploads and its quarantine; the same batch again changes neither."""
    rows = parsed(lines).persist()
    try:
        bad = rows.where("problem IS NOT NULL").select("file", "problem", "line")
        if not bad.isEmpty():
            lake.quarantine(TABLE, kept(bad), "line_is_an_upload")
        lake.insert_new(TABLE, uploads(rows.where("problem IS NULL")))
    finally:
        rows.unpersist()


def arrived(settings: Settings, since: datetime) -> bool:
    """Whether a manifest was handed over since: the folder's own time says when a file last got its name in it."""
    manifests = settings.landing / "manifests"
    return manifests.exists() and manifests.stat().st_mtime >= since.timestamp() - CLOCK_S


@job(every="5min", reads=[], writes=[TABLE], arrived=arrived)
def run(lake: Lake, window: Window) -> None:
    """Read the manifests that no earlier run has read; a line counts once even if a killed run is repeated."""
    lines = new_lines(lake.spark, lake.settings.landing / "manifests")
    if lines is not None:
        each_batch(lake, run.name, run.writes, lines, partial(take_in, lake))
