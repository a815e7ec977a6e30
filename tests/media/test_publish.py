"""Uploads become videos: playable, or rejected with the reason, and never in the way of each other."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import redis
from pyspark.sql import Row

from jobs.arrivals.landing import land
from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.window import window_for
from jobs.host.redis_server import redis_url
from jobs.media import ingest, publish

Draw = Callable[..., Path]
WINDOW = window_for("5min", datetime(2026, 1, 5, tzinfo=UTC))
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def rows(lake: Lake, table: str) -> list[tuple[object, ...]]:
    return sorted((tuple(row) for row in Lake(lake.spark, lake.settings).read(table).collect()), key=str)


def upload(lake: Lake, *files: Path) -> None:
    land(files, landing=lake.settings.landing, user_id="ann", hashtags=["cats"], uploaded_at=NOON)
    ingest.take_in(
        lake, lake.spark.read.text(str(lake.settings.landing / "manifests")).selectExpr("value AS line", "'a' AS file")
    )


@pytest.fixture
def clips(draw: Draw, tmp_path: Path) -> list[Path]:
    """A clip with sound, a silent one, and two that are none."""
    (tmp_path / "letter.mp4").write_text("Dear Reelmill")
    (tmp_path / "empty.mov").touch()
    silent = draw("silent.mp4", size="180x320", sound=False)
    return [draw("small.mp4", size="180x320"), silent, tmp_path / "letter.mp4", tmp_path / "empty.mov"]


def test_good_clips_are_published_and_bad_ones_rejected_with_their_reason(lake: Lake, clips: list[Path]) -> None:
    upload(lake, *clips)
    publish.run(lake, WINDOW)
    videos = {row.title: row for row in lake.read("silver.videos").collect()}
    assert {title: (v.status, v.reason, v.has_audio) for title, v in videos.items()} == {
        "small": ("published", None, True),
        "silent": ("published", None, False),
        "letter": ("rejected", "not_media: no known video container (Invalid data found when processing input)", None),
        "empty": ("rejected", "not_media: the file is empty", None),
    }
    small = videos["small"]
    assert (small.width, small.height, small.duration_ms, small.hashtags) == (180, 320, 1000, ["cats"])
    assert lake.read("silver.videos").where("published_at = TIMESTAMP '2026-01-05 12:00:00Z'").count() == 4
    assert (lake.settings.media / small.playback_path).read_text().startswith("#EXTM3U")
    assert (lake.settings.media / small.poster_path).is_file()
    renditions = lake.read("silver.renditions").collect()
    assert {(r.video_id, r.rendition) for r in renditions} == {
        (videos[title].video_id, "180p") for title in ("small", "silent")
    }
    for rendition in renditions:
        folder = (lake.settings.media / rendition.playlist_path).parent
        assert rendition.bytes == sum(p.stat().st_size for p in folder.iterdir() if p.suffix in (".m4s", ".mp4"))
    # Rejected files are kept.
    assert len(list((lake.settings.landing / "files").iterdir())) == len(clips)
    # What is published can be asked for at once, before any night.
    with redis_url(lake.settings) as url, redis.Redis.from_url(url) as client:
        said = {title: client.get(f"video:{video.video_id}") for title, video in videos.items()}
        refused = client.get(f"outcome:{videos['empty'].video_id}")
    card = orjson.loads(said["small"])
    assert card["playback_url"] == f"/media/{small.playback_path}"
    assert (card["duration"], card["hashtags"], card["views"]) == (1.0, ["cats"], 0)
    # One rendition, and of a second all of it.
    (start,) = (r for r in renditions if r.video_id == small.video_id)
    weights = dict.fromkeys(("1", "2", "3", "5"), start.bytes)
    assert card["preload"] == {"playlist_url": f"/media/{start.playlist_path}", "bytes": weights, "watch_seconds": None}
    assert said["silent"] is not None and said["letter"] is None and said["empty"] is None
    assert refused == b"not_media: the file is empty"


def test_a_run_killed_before_its_last_commit_ends_in_the_same_tables(lake: Lake, clips: list[Path]) -> None:
    upload(lake, *clips)
    publish.run(lake, WINDOW)
    undisturbed = {table: rows(lake, table) for table in ("silver.videos", "silver.renditions")}
    # As a kill between the two commits leaves it: media and renditions are there, the videos are not.
    shutil.rmtree(lake.settings.lake / "silver" / "videos")
    publish.run(Lake(lake.spark, lake.settings), WINDOW)
    assert {table: rows(lake, table) for table in undisturbed} == undisturbed
    # And once more, with nothing new: nothing is written.
    idle = Lake(lake.spark, lake.settings)
    publish.run(idle, WINDOW)
    assert idle.commits == []


def test_no_upload_is_no_work(lake: Lake) -> None:
    publish.run(lake, WINDOW)
    assert lake.commits == []


def test_a_catalogue_is_published_as_stated(lake: Lake) -> None:
    folder = lake.settings.landing / "manifests"
    folder.mkdir(parents=True)
    line = {"user_id": "movielens", "source": "movielens", "uploaded_at": "1995-01-01T00:00:00Z", "duration_ms": 60_000}
    (folder / "titles.jsonl").write_text("".join(json.dumps({**line, "upload_id": str(n)}) + "\n" for n in range(500)))
    ingest.run(lake, WINDOW)
    publish.run(lake, WINDOW)
    videos = lake.read("silver.videos")
    assert videos.where("status = 'published' AND duration_ms = 60000 AND playback_path IS NULL").count() == 500
    assert videos.where("published_at = '1995-01-01'").count() == 500
    assert not lake.exists("silver.renditions")


def test_a_file_that_is_missing_or_a_link_out_of_the_landing_area_is_rejected(
    lake: Lake, clips: list[Path], draw: Draw
) -> None:
    upload(lake, *clips[:2])
    gone, link = sorted((lake.settings.landing / "files").iterdir())
    gone.unlink()
    link.unlink()
    link.symlink_to(draw("small.mp4", size="180x320"))
    publish.run(lake, WINDOW)
    videos = {row.video_id: row for row in lake.read("silver.videos").collect()}
    assert {v.status for v in videos.values()} == {"rejected"}
    assert videos[gone.stem].reason == f"missing_file: {gone.name} is not in the landing area"
    assert videos[link.stem].reason == f"missing_file: files/{link.name} lies outside the landing area"


def test_a_machine_in_trouble_rejects_no_clip_and_the_next_run_publishes_it(lake: Lake, clips: list[Path]) -> None:
    upload(lake, clips[0], clips[3])
    lake.settings.media.write_text("a file where the media store should be")
    publish.run(lake, WINDOW)
    (warning,) = lake.warnings
    assert re.fullmatch(r"1 clips .* wait for the next run; the first: files/\w+\.mp4: Not a directory: .*", warning)
    assert [row.title for row in lake.read("silver.videos").collect()] == ["empty"]
    lake.settings.media.unlink()
    publish.run(Lake(lake.spark, lake.settings), WINDOW)
    videos = Lake(lake.spark, lake.settings).read("silver.videos")
    assert {row.title: row.status for row in videos.collect()} == {"small": "published", "empty": "rejected"}


def test_a_backlog_is_committed_in_batches_the_oldest_first(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hours, name in enumerate(("a", "b", "c")):
        (tmp_path / f"{name}.mp4").write_text(name)
        at = NOON - timedelta(hours=hours)
        land([tmp_path / f"{name}.mp4"], landing=lake.settings.landing, user_id="ann", uploaded_at=at)
    ingest.run(lake, WINDOW)
    monkeypatch.setattr(publish, "BATCH_CLIPS", 2)
    publish.run(lake, WINDOW)
    assert [commit.rows for commit in lake.commits if commit.table == "silver.videos"] == [2, 1]
    first = lake.spark.read.format("delta").option("versionAsOf", 1).load(lake.tables.uri("silver.videos"))
    assert {row.title for row in first.collect()} == {"c", "b"}


def test_a_clip_that_shows_a_fault_of_ours_does_not_stop_the_others(tmp_path: Path) -> None:
    broken = Row(upload_id="broken", media_file=None, bytes=1)
    outcome = publish.publish_clip(broken, tmp_path, tmp_path / "media")
    assert (outcome.upload_id, outcome.video) == ("broken", None)
    assert outcome.trouble is not None
    assert outcome.trouble.startswith("None: TypeError: ")


def test_what_its_creator_withdraws_is_published_no_more_and_the_same_clip_of_another_is(lake: Lake) -> None:
    clip = {"duration_ms": 1000, "width": 9, "height": 16, "has_audio": False, "media_hash": "h", "source": "api"}
    clip |= {"playback_path": "h/master.m3u8", "poster_path": "h/poster.jpg", "hashtags": [], "status": "published"}
    theirs = [{"video_id": f"{name}s", "user_id": name, "published_at": NOON, **clip} for name in ("ann", "ben")]
    said = [("ann", "anns"), ("ann", "anns"), ("ann", "bens")]
    when = {"event_at": NOON, "received_at": NOON, "event_type": "withdraw"}
    events = [{"event_id": str(n), "user_id": who, "video_id": what, **when} for n, (who, what) in enumerate(said)]
    with redis_url(lake.settings) as url, redis.Redis.from_url(url) as client:
        client.set("video:anns", "as where the endpoint died before it let go")
    for table, rows in {"silver.videos": theirs, "bronze.events": events}.items():
        lake.merge(table, rows_of(lake.spark, table, rows))
    publish.withdraw(Lake(lake.spark, lake.settings), NOON)
    videos = {row.video_id: row for row in Lake(lake.spark, lake.settings).read("silver.videos").collect()}
    assert (videos["anns"].status, videos["anns"].reason) == ("rejected", "withdrawn: by its creator")
    assert (videos["anns"].media_hash, videos["bens"].status, videos["bens"].reason) == ("h", "published", None)
    with redis_url(lake.settings) as url, redis.Redis.from_url(url) as client:
        assert (client.exists("video:anns"), client.exists("video:bens")) == (0, 1)
