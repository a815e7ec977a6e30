"""Manifests become rows of bronze.uploads, each upload once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.engine.frames import frame_of
from jobs.engine.lake import Lake
from jobs.engine.window import window_for
from jobs.media import ingest

WINDOW = window_for("5min", datetime(2026, 1, 5, tzinfo=UTC))
LINE = {"upload_id": "u1", "user_id": "ann", "source": "api", "uploaded_at": "2026-01-05T12:00:00Z"}


def manifest(lake: Lake, name: str, *lines: dict[str, Any] | str) -> None:
    folder = lake.settings.landing / "manifests"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines))


def quarantined(lake: Lake) -> list[tuple[str, str]]:
    frame = lake.spark.read.format("delta").load(lake.tables.uri("quarantine.bronze.uploads"))
    return sorted((rule, row.row) for row in frame.collect() for rule in row.rules)


def parsed(spark: SparkSession, *lines: str) -> DataFrame:
    return ingest.parsed(frame_of(spark, "line string, file string", [(line, "a.jsonl") for line in lines]))


def test_each_line_counts_once_however_often_it_arrives(lake: Lake) -> None:
    manifest(lake, "a.jsonl", LINE, {**LINE, "upload_id": "u2"}, LINE)
    ingest.run(lake, WINDOW)
    manifest(lake, "b.jsonl", {**LINE, "title": "later"}, {**LINE, "upload_id": "u3"})
    ingest.run(lake, WINDOW)
    ingest.run(lake, WINDOW)
    rows = {row.upload_id: row.title for row in lake.read("bronze.uploads").collect()}
    assert rows == {"u1": None, "u2": None, "u3": None}


def test_a_run_that_lost_its_checkpoint_adds_nothing(lake: Lake) -> None:
    manifest(lake, "a.jsonl", LINE, "rubbish", "rubbish")
    ingest.run(lake, WINDOW)
    checkpoint = lake.settings.checkpoints / "media.ingest"
    checkpoint.rename(checkpoint.with_name("lost"))
    ingest.run(lake, WINDOW)
    assert lake.read("bronze.uploads").count() == 1
    assert len(quarantined(lake)) == 2  # equal broken lines count each, and once


def test_no_manifest_is_no_work(lake: Lake) -> None:
    ingest.run(lake, WINDOW)
    assert not lake.exists("bronze.uploads")


def test_a_path_out_of_the_landing_area_is_quarantined(lake: Lake) -> None:
    paths = ["../../etc/passwd", "files/../../x.mp4", "/etc/passwd", "files/.hidden"]
    manifest(lake, "a.jsonl", LINE, *({**LINE, "upload_id": f"v{n}", "media_file": p} for n, p in enumerate(paths)))
    ingest.run(lake, WINDOW)
    assert [row.upload_id for row in lake.read("bronze.uploads").collect()] == ["u1"]
    assert {rule for rule, _ in quarantined(lake)} == {"media_file_stays_in_the_landing_area"}
    assert len(quarantined(lake)) == len(paths)


def test_a_line_that_is_no_upload_is_kept_with_its_reason(spark: SparkSession) -> None:
    good = json.dumps(LINE)
    problems = {
        '{"upload_id": ': "not one JSON object with the manifest's columns",
        "[1]": "not one JSON object with the manifest's columns",
        "null": "not one JSON object with the manifest's columns",
        f'{good},"upload":{good}': "not one JSON object with the manifest's columns",
        good + good: "not one JSON object with the manifest's columns",
        json.dumps({**LINE, "bytes": "many"}): "not one JSON object with the manifest's columns",
        "{}": "upload_id is missing",
        json.dumps({**LINE, "uploaded_at": "yesterday"}): "uploaded_at is no ISO-8601 time with a zone",
        json.dumps({**LINE, "uploaded_at": "2026-01-05T12:00:00"}): "uploaded_at is no ISO-8601 time with a zone",
        json.dumps({**LINE, "uploaded_at": "2026-13-05T12:00:00Z"}): "uploaded_at is no ISO-8601 time with a zone",
        good: None,
    }
    rows = parsed(spark, *problems, "  ").collect()
    assert {row.line: row.problem for row in rows} == problems


def test_hashtags_are_told_apart_by_their_letters_only(spark: SparkSession) -> None:
    row = parsed(spark, json.dumps({**LINE, "hashtags": ["#Cats", "cats", " Do gs ", "＃ＣＡＴＳ", "#", None]})).first()
    assert row is not None and row.hashtags == ["cats", "dogs"]
    row = parsed(spark, json.dumps(LINE)).first()
    assert row is not None and row.hashtags == []


def test_of_two_lines_for_one_upload_the_earlier_counts(spark: SparkSession) -> None:
    lines = [json.dumps({**LINE, "title": t, "uploaded_at": f"2026-01-05T{t}:00:00Z"}) for t in ("13", "11", "12")]
    assert [row.title for row in ingest.uploads(parsed(spark, *lines)).collect()] == ["11"]
