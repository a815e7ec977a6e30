"""Uploads as handed over: each line of the landing area's manifests, once, into bronze.uploads.

Belongs here: reading manifests and giving their values types. Opening the media: publish.py.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.job import Window, job
from jobs.lake import Lake

TABLE = "bronze.uploads"
MANIFEST = (
    "upload_id string, user_id string, title string, hashtags array<string>, sound_id string, duet_of string, "
    "stitch_of string, media_file string, source string, bytes bigint, duration_ms bigint, uploaded_at string, "
    "_bad string"
)


def parsed(lines: DataFrame) -> DataFrame:
    """Manifest lines (`value`, `file`) to the columns of bronze.uploads, and `problem`: NULL for a good line.

    Blank lines are no lines. A line with a problem has only `value`, `file` and `problem` to be trusted.
    """
    row = F.from_json("value", MANIFEST, {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": "_bad"})
    rows = lines.where(F.trim("value") != "").withColumn("row", row).select("value", "file", "row.*")
    uploaded_at = F.try_to_timestamp("uploaded_at")
    problem = (
        F.when(F.col("_bad").isNotNull(), "not a JSON object with the manifest's columns")
        .when(F.col("upload_id").isNull(), "upload_id is missing")
        .when(uploaded_at.isNull(), "uploaded_at is no ISO-8601 time")
    )
    return rows.select(
        "value",
        "file",
        problem.alias("problem"),
        "upload_id",
        "user_id",
        "title",
        normal_hashtags("hashtags").alias("hashtags"),
        "sound_id",
        "duet_of",
        "stitch_of",
        "media_file",
        "source",
        "bytes",
        "duration_ms",
        uploaded_at.alias("uploaded_at"),
    )


def normal_hashtags(column: str) -> Column:
    """Lower case, without '#' and blanks, each once, in the order given; NULL is none."""
    bare = F.transform(F.col(column), lambda tag: F.lower(F.regexp_replace(tag, r"[#\s]", "")))
    kept = F.filter(bare, lambda tag: tag.isNotNull() & (tag != ""))
    return F.coalesce(F.array_distinct(kept), F.array().cast("array<string>"))


def uploads(good: DataFrame) -> DataFrame:
    """The rows of bronze.uploads from parsed lines; of several lines for one upload, the earliest counts."""
    order = Over.partitionBy("upload_id").orderBy("uploaded_at", "value")
    return (
        good.withColumn("_nth", F.row_number().over(order))
        .where("_nth = 1")
        .select(
            "upload_id",
            "user_id",
            "title",
            "hashtags",
            "sound_id",
            "duet_of",
            "stitch_of",
            "media_file",
            "source",
            "bytes",
            "duration_ms",
            "uploaded_at",
        )
    )


@job(every="5min", reads=[], writes=[TABLE])
def run(lake: Lake, window: Window) -> None:
    """Read the manifests that no earlier run has read; a line counts once even if a killed run is repeated."""
    manifests = lake.settings.landing / "manifests"
    manifests.mkdir(parents=True, exist_ok=True)

    def write(batch: DataFrame, _: int) -> None:
        rows = parsed(batch).persist()
        try:
            bad = rows.where("problem IS NOT NULL").select("file", "problem", F.col("value").alias("line"))
            if not bad.isEmpty():
                lake.quarantine(TABLE, bad, "malformed_manifest_line")
            lake.insert_new(TABLE, uploads(rows.where("problem IS NULL")))
        finally:
            rows.unpersist()

    lines = (
        lake.spark.readStream.format("text")
        .option("pathGlobFilter", "*.jsonl")
        .load(str(manifests))
        .select("value", F.col("_metadata.file_name").alias("file"))
    )
    query = (
        lines.writeStream.trigger(availableNow=True)
        .option("checkpointLocation", str(lake.settings.checkpoints / "media.ingest"))
        .foreachBatch(write)
        .start()
    )
    query.awaitTermination()
