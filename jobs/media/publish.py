"""Publishes uploads: each becomes a row of silver.videos, published or refused with its reason.

Belongs here: from one upload to its rows, and doing so for many in parallel. What a clip is: probe.py. How it is
encoded: ladder.py. silver.renditions is written first, so that a published video always has its renditions. A clip that
the machine could not make harms nothing: it stays new, the run warns, and the next one tries it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from jobs.engine.frames import frame_of, rows_of
from jobs.engine.job import Sought, job
from jobs.engine.lake import Lake
from jobs.engine.spark import with_cores
from jobs.engine.window import Window
from jobs.errors import ReelmillError
from jobs.host.redis_server import redis_url
from jobs.media.cards import cards, hand_over_cards, media_url
from jobs.media.outcomes import say_processing, say_refused
from jobs.media.refusals import Reason, Refused
from jobs.media.status import Status, published
from jobs.media.visibility import Action, rules_of
from serving.interactions import WITHDRAWN_WHY, EventType

UPLOADS, VIDEOS, RENDITIONS = "bronze.uploads", "silver.videos", "silver.renditions"
EVENTS = "bronze.events"


BATCH_CLIPS = 100
"""Clips between two commits: a run that is killed in a backlog loses the rows of one batch, and no finished media."""


@dataclass(frozen=True)
class Outcome:
    """What one clip became: its measured columns of silver.videos and its renditions, or the fault of the machine."""

    upload_id: str
    video: dict[str, Any] | None
    renditions: list[dict[str, Any]]
    trouble: str | None = None


MEASURED = (
    "upload_id string, status string, reason string, duration_ms bigint, width int, height int, has_audio boolean, "
    "media_hash string, playback_path string, poster_path string, start_path string, start_bytes array<bigint>"
)


def imports(new: DataFrame) -> DataFrame:
    """Catalogue titles without media, as rows of silver.videos: published as stated, with nothing to play."""
    return new.where("media_file IS NULL").select(
        F.col("upload_id").alias("video_id"),
        "user_id",
        "title",
        "hashtags",
        "hashtags_at",
        "duration_ms",
        F.lit(None).cast("int").alias("width"),
        F.lit(None).cast("int").alias("height"),
        F.lit(None).cast("boolean").alias("has_audio"),
        F.lit(Status.PUBLISHED).alias("status"),
        F.lit(None).cast("string").alias("reason"),
        F.col("uploaded_at").alias("published_at"),
        F.lit(None).cast("string").alias("media_hash"),
        F.lit(None).cast("string").alias("playback_path"),
        F.lit(None).cast("string").alias("poster_path"),
        F.lit(None).cast("string").alias("start_path"),
        F.lit(None).cast("array<bigint>").alias("start_bytes"),
        "source",
    )


def clips(new: DataFrame, measured: DataFrame) -> DataFrame:
    """Uploaded clips as rows of silver.videos: what their creators stated, and what was measured (MEASURED)."""
    stated = new.select("upload_id", "user_id", "title", "hashtags", "hashtags_at", "uploaded_at", "source")
    return stated.join(measured, on="upload_id", how="inner").select(
        F.col("upload_id").alias("video_id"),
        "user_id",
        "title",
        "hashtags",
        "hashtags_at",
        "duration_ms",
        "width",
        "height",
        "has_audio",
        "status",
        "reason",
        F.col("uploaded_at").alias("published_at"),
        "media_hash",
        "playback_path",
        "poster_path",
        "start_path",
        "start_bytes",
        "source",
    )


def publish_clip(upload: Row, landing: Path, media: Path) -> Outcome:
    """Probe and transcode one clip, in a Spark worker. A refused clip is an outcome, and not an error."""
    try:
        return playable(upload, landing, media)
    except Refused as refused:
        # By value, here and below: Spark's JVM reads plain text and no enum of Python's.
        row = {"upload_id": upload.upload_id, "status": Status.REJECTED.value, "reason": str(refused)}
        return Outcome(upload.upload_id, row, [])
    except ReelmillError as error:
        trouble = str(error)
    except OSError as error:
        trouble = f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror or error)
    except Exception as error:
        # One clip that shows a fault of ours must not stop those beside it.
        trouble = f"{type(error).__name__}: {error}"
    return Outcome(upload.upload_id, None, [], trouble=f"{upload.media_file}: {trouble}")


def playable(upload: Row, landing: Path, media: Path) -> Outcome:
    """The rows of a clip that can be played, its media made; raises Refused."""
    from jobs.media.ladder import read_ladder, transcode
    from jobs.media.opening import opening
    from jobs.media.probe import probe
    from jobs.media.store import ladder_of, media_hash

    source = landing / upload.media_file
    # Manifests come from outside: without this, one could publish any video file of this machine.
    if not source.resolve().is_relative_to((landing / "files").resolve()):
        raise Refused(Reason.MISSING_FILE, f"{upload.media_file} lies outside the landing area")
    seen = probe(source)
    name = media_hash(source)
    variants = read_ladder(ladder_of(media, name, partial(transcode, source, seen)))
    best, start = variants[-1], opening(variants)
    video = {
        "upload_id": upload.upload_id,
        "status": Status.PUBLISHED.value,
        # The video is fine and worth showing; that its sound was lost must not be lost too.
        "reason": "audio_dropped: no frame of its sound decodes" if seen.has_dead_audio else None,
        "duration_ms": round(best.seconds * 1000),
        "width": best.width,
        "height": best.height,
        "has_audio": best.audio_codec is not None,
        "media_hash": name,
        "playback_path": f"{name}/master.m3u8",
        "poster_path": f"{name}/poster.jpg",
        "start_path": start and f"{name}/{start.playlist}",
        "start_bytes": start and start.first_bytes,
    }
    renditions = [
        {
            "video_id": upload.upload_id,
            "rendition": variant.name,
            "width": variant.width,
            "height": variant.height,
            "bitrate_kbps": round(variant.average_bps / 1000),
            "bytes": variant.bytes,
            "video_codec": variant.video_codec,
            "audio_codec": variant.audio_codec,
            "playlist_path": f"{name}/{variant.playlist}",
        }
        for variant in variants
    ]
    return Outcome(upload.upload_id, video, renditions)


def transcode_all(spark: SparkSession, uploads: Iterable[Row], landing: Path, media: Path) -> list[Outcome]:
    """Every clip's outcome, one clip per Spark task; on a cluster each has as many cores as an ffmpeg keeps busy.

    On one machine as many ffmpegs run as Spark has cores: the kernel shares them better than a queue would.
    The largest start first: a long clip that starts last would leave the other cores idle.
    """
    from jobs.media.ladder import CORES

    rows = sorted(uploads, key=lambda row: (-(row.bytes or 0), row.upload_id))
    if not rows:
        return []
    tasks = spark.sparkContext.parallelize(rows, len(rows)).map(partial(publish_clip, landing=landing, media=media))
    return with_cores(tasks, CORES).collect()


def announce(lake: Lake, new: DataFrame, at: datetime) -> None:
    """Let the endpoint answer for what is published of these uploads at once; the night repeats it, with its counts.

    Not for what a rule drops at an instant.
    """
    theirs = lake.read(VIDEOS).join(new.selectExpr("upload_id AS video_id"), on="video_id", how="left_semi")
    published = cards(rules_of(lake.settings).without(theirs, at, Action.DROP))
    if not published.isEmpty():
        with redis_url(lake.settings) as url:
            hand_over_cards(published, url)


def unpublished(lake: Lake) -> DataFrame:
    """The uploads that have no video yet, by what this run has committed too."""
    new = lake.read(UPLOADS)
    if lake.exists(VIDEOS):
        done = lake.read(VIDEOS).select(F.col("video_id").alias("upload_id"))
        new = new.join(done, on="upload_id", how="left_anti")
    return new


def publish_batch(lake: Lake, waiting: dict[str, str], at: datetime) -> bool:
    """Publish the oldest BATCH_CLIPS uploads and every imported title; returns whether there are more to try.

    `waiting` says for each clip of this run that the machine could not make what the trouble was; more are added. None
    is tried twice, and a batch of nothing else is the last: a full disk stays full.
    """
    new = unpublished(lake).persist()
    try:
        files = new.where("media_file IS NOT NULL").where(~F.col("upload_id").isin(list(waiting)))
        oldest = files.orderBy("uploaded_at", "upload_id").limit(BATCH_CLIPS + 1)
        # Times stay in Spark: through Python's local time, an hour of autumn would be two.
        found = oldest.select("upload_id", "media_file", "bytes").collect()
        if not found and new.where("media_file IS NULL").isEmpty():
            return False
        batch = found[:BATCH_CLIPS]
        say_processing([row.upload_id for row in batch], lake.settings)
        outcomes = transcode_all(lake.spark, batch, lake.settings.landing, lake.settings.media)
        renditions = [row for outcome in outcomes for row in outcome.renditions]
        if renditions:
            lake.merge(RENDITIONS, rows_of(lake.spark, RENDITIONS, renditions))
        measured = frame_of(lake.spark, MEASURED, (outcome.video for outcome in outcomes if outcome.video))
        say_refused([outcome.video for outcome in outcomes if outcome.video], lake.settings)
        lake.merge(VIDEOS, imports(new).unionByName(clips(new, measured)))
        announce(lake, new, at)
    finally:
        new.unpersist()
    troubles = {outcome.upload_id: outcome.trouble for outcome in outcomes if outcome.trouble}
    waiting |= troubles
    return len(found) > len(batch) and len(troubles) < len(batch)


def withdrawn(videos: DataFrame, events: DataFrame) -> DataFrame:
    """Of silver.videos, the published ones that their creators have withdrawn by bronze.events, as refused."""
    # Among all that ever came, so that a table which is made anew has them too. No type comes after this one in order:
    # the statistics of files and of pages say where there is none.
    theirs = events.where(F.col("event_type") == EventType.WITHDRAW).select("video_id", "user_id")
    gone = published(videos).join(theirs, on=["video_id", "user_id"], how="left_semi").select(videos.columns)
    return gone.withColumns({"status": F.lit(Status.REJECTED), "reason": F.lit(WITHDRAWN_WHY)})


def withdraw(lake: Lake, at: datetime) -> None:
    """Publish no longer what was withdrawn. The endpoint, if nothing stopped it, let go of it at once.

    The same bytes of others play again.
    """
    if not (lake.exists(EVENTS) and lake.exists(VIDEOS)):
        return
    videos = lake.read(VIDEOS)
    gone = withdrawn(videos, lake.read(EVENTS)).persist()
    try:
        if gone.isEmpty():
            return
        same = videos.join(gone.select("media_hash"), on="media_hash", how="left_semi")
        others = same.join(gone, on="video_id", how="left_anti")
        let_go(lake, gone)
        announce(lake, others.selectExpr("video_id AS upload_id"), at)
        lake.merge(VIDEOS, gone)
    finally:
        gone.unpersist()


def let_go(lake: Lake, gone: DataFrame) -> None:
    """Have the endpoint answer for these rows of silver.videos no more: it may have died with the event alone kept."""
    import redis

    from serving.feed_store import withdrawn

    with redis_url(lake.settings) as url, redis.Redis.from_url(url, socket_timeout=60) as client:
        for row in gone.select("video_id", media_url("playback_path").alias("playback_url")).toLocalIterator():
            withdrawn.withdraw(client, row["video_id"], row["playback_url"])


# It takes a Spark session to see that none of the events that come all the time is a withdrawal.
WITHDRAWALS = Sought(EVENTS, "event_type", EventType.WITHDRAW)


@job(every="5min", reads=[UPLOADS, VIDEOS, EVENTS], writes=[RENDITIONS, VIDEOS], seeks=[WITHDRAWALS])
def run(lake: Lake, window: Window) -> None:
    """Publish every upload that has no video yet, oldest first, and then no longer what its creator has withdrawn.

    Warns of clips that could not be made for a reason of the machine's; they stay new, and the next run tries them.
    """
    if not lake.exists(UPLOADS):
        return
    waiting: dict[str, str] = {}
    while publish_batch(lake, waiting, window.end):
        pass
    withdraw(lake, window.end)
    if waiting:
        first = next(iter(waiting.values()))
        lake.warnings.append(f"{len(waiting)} clips could not be made and wait for the next run; the first: {first}")
