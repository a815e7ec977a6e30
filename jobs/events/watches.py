"""Makes watches of events: one viewer on one video, watched how long, then what.

Belongs here: which events belong to which watch. What a watch is beside its viewer's others: marks.py. Taking events
in: ingest.py. Adding watches up: jobs/features/.

A view starts a watch, and its time is the watch's key; so a late view adds a watch and never removes one. A like,
share, comment, follow, skip, not_interested or report belongs to the viewer's latest view of that video at or before
it, if that is at most a day old. It keeps its own time, for it is not known before: features count it from then on, and
`known_by` says what a past moment knew. An impression lends its slot and feed version to a view that does not say its
own. Impressions and reactions without a view make no watch; they stay in bronze.events.

Watches are made again from all the events around whatever is new, and compared with all the watches of their viewers
around them, so that the table does not depend on the order in which events arrive. Events of a video that is not
published wait in quarantine and are looked at again when it is; a watch that was made stays when its video is withdrawn
(docs/decisions/0009).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from data_contracts import load
from jobs.engine.bounds import between
from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.stream import each_batch
from jobs.engine.window import Window, of_micros
from jobs.events.marks import HOUR, REACHES, among_others, marked_by_itself
from jobs.media.status import published
from serving.interactions import MAX_SHARE, EventType

EVENTS, VIDEOS, WATCHES = "bronze.events", "silver.videos", "silver.watches"
FINISHED, SKIPPED = 0.9, 0.2
# How long after a view a reaction still belongs to it, and how long after an impression a view does.
BELONGS = timedelta(days=1)
# The rule under which events wait in quarantine until their video is published, and what is read of them there.
WAITS = "video_is_published"
WAITING = "user_id string, video_id string, event_at timestamp"
# What a reaction sets: whether, and when first.
REACTIONS = {
    EventType.SKIP: ("is_skipped", "skipped_at"),
    EventType.LIKE: ("is_liked", "liked_at"),
    EventType.SHARE: ("is_shared", "shared_at"),
    EventType.COMMENT: ("is_commented", "commented_at"),
    EventType.FOLLOW: ("is_followed", "followed_at"),
    EventType.NOT_INTERESTED: ("is_not_interested", "not_interested_at"),
    EventType.REPORT: ("is_reported", "reported_at"),
}


def watches(events: DataFrame, videos: DataFrame) -> DataFrame:
    """bronze.events (all of a viewer's events with a video) and silver.videos to watches, each as it is by itself.

    Where the client said no share, it is watch_ms over the video's duration; where it said no time, that is the share
    of the duration. What neither says is NULL. Views of videos that are not published make no watch.
    """
    pair = Over.partitionBy("user_id", "video_id").orderBy("event_at")
    # By value, not by row: among events of one instant, a reaction sees the view whatever their order.
    so_far = pair.rangeBetween(Over.unboundedPreceding, Over.currentRow)
    is_view = F.col("event_type") == EventType.VIEW
    slot = F.struct("event_at", "event_id", "position", "feed_version")
    placed = (
        events.withColumn("started_at", F.max(F.when(is_view, F.col("event_at"))).over(so_far))
        .withColumn("_shown", F.max(F.when(F.col("event_type") == EventType.IMPRESSION, slot)).over(so_far))
        .where(_within("started_at", F.col("event_at")))
    )
    # Two deliveries of one view under different ids, or a later and longer report of it, are one watch: the longest.
    seen = F.struct(
        F.coalesce("watch_ms", F.lit(-1)).alias("_ms"),
        F.coalesce("share_watched", F.lit(-1)).alias("_share"),
        "event_id",
        "watch_ms",
        "share_watched",
        "position",
        "feed_version",
        "received_at",
    )
    shown = F.when(is_view & _within("_shown.event_at", F.col("event_at")), F.col("_shown"))
    grouped = placed.groupBy("user_id", "video_id", "started_at").agg(
        F.max(F.when(is_view, seen)).alias("view"),
        F.max(shown).alias("shown"),
        *[
            F.min(F.when(F.col("event_type") == kind, F.col("event_at"))).alias(at)
            for kind, (_, at) in REACTIONS.items()
        ],
    )
    clip_published_at = F.when(F.col("playback_path").isNotNull(), F.col("published_at"))
    of_videos = published(videos).select("video_id", "duration_ms", clip_published_at.alias("clip_published_at"))
    share = F.coalesce("view.share_watched", F.try_divide(F.col("view.watch_ms"), F.col("duration_ms")))
    # `least` passes over NULL, and would make a full share of none.
    # A clip of a second that ran for a day stays a watch: its share is the highest that a client may report.
    share = F.when(share > MAX_SHARE, MAX_SHARE).otherwise(F.round(share, 6))
    watch_ms = F.coalesce("view.watch_ms", F.round(F.col("view.share_watched") * F.col("duration_ms")).cast("bigint"))
    return (
        grouped.join(of_videos, on="video_id", how="inner")
        .withColumns({"watch_ms": watch_ms, "share_watched": share})
        # A view says itself, at its own time, that it was short; a swipe comes later.
        .withColumn(
            "skipped_at", F.when(F.col("share_watched") < SKIPPED, F.col("started_at")).otherwise(F.col("skipped_at"))
        )
        .select(
            "user_id",
            "video_id",
            "started_at",
            "watch_ms",
            "share_watched",
            (F.col("share_watched") >= FINISHED).alias("is_finished"),
            *[F.col(at).isNotNull().alias(flag) for flag, at in REACTIONS.values()],
            F.coalesce("view.position", "shown.position").alias("position"),
            F.coalesce("view.feed_version", "shown.feed_version").alias("feed_version"),
            *[at for _, at in REACTIONS.values()],
            F.greatest(F.floor("share_watched") - 1, F.lit(0)).cast("int").alias("loops"),
            marked_by_itself(F.col("view.received_at"), F.col("clip_published_at")).alias("marks"),
        )
    )


def known_by(watches: DataFrame, at: datetime) -> DataFrame:
    """silver.watches as they were known at an instant: those that had started, without reactions that came later."""
    earlier = {
        flag: F.col(flag) & F.coalesce(F.col(time) < F.lit(at), F.lit(True)) for flag, time in REACTIONS.values()
    }
    times = {time: F.when(F.col(time) < F.lit(at), F.col(time)) for _, time in REACTIONS.values()}
    return watches.where(F.col("started_at") < F.lit(at)).withColumns({**earlier, **times})


def rebuild(lake: Lake, new: DataFrame) -> None:
    """Make the watches again that these new events may have changed; the same events again change nothing."""
    _remake(lake, new)
    # Of any type that belongs to a view: a like that came while its video was withdrawn does, from before.
    waiting = new.where(F.col("event_type") != EventType.WITHDRAW).join(
        published(lake.read(VIDEOS)), on="video_id", how="left_anti"
    )
    if not waiting.isEmpty():
        lake.quarantine(WATCHES, waiting, WAITS)


def take_up(lake: Lake) -> None:
    """Make the watches whose events waited for a video that is published now, and let those events go.

    Reads what waits and the names of the videos, then the events of the pairs concerned: never all events, unless
    something has waited since the first. Killed in between, the next run does the same once more.
    """
    aside = lake.set_aside_of(WATCHES)
    if aside is None:
        return
    waits = aside.where(F.array_contains("rules", WAITS))
    waiting = waits.select("rejected_id", F.from_json("row", WAITING).alias("event")).select("rejected_id", "event.*")
    # Persisted, so that exactly those are let go whose watches were made.
    found = waiting.join(published(lake.read(VIDEOS)), on="video_id", how="left_semi").persist()
    try:
        if not found.isEmpty():
            # JSON has times in milliseconds, rounded down; the table has microseconds.
            last = found.withColumn("event_at", F.col("event_at") + F.expr("INTERVAL '0.001' SECOND"))
            _remake(lake, found.unionByName(last))
            lake.release(WATCHES, found.select("rejected_id"))
    finally:
        found.unpersist()


@job(every="5min", reads=[EVENTS, VIDEOS], writes=[WATCHES])
def run(lake: Lake, window: Window) -> None:
    # Before the first event there is nothing to read, and that is not an error.
    if not lake.exists(EVENTS):
        return
    each_batch(lake, run.name, (EVENTS, WATCHES), lake.stream(EVENTS), partial(rebuild, lake))
    take_up(lake)


def _remake(lake: Lake, changed: DataFrame) -> None:
    """Merge the watches of the viewers and videos of `changed` (user_id, video_id, event_at), around its time."""
    touched = changed.groupBy("user_id", "video_id").agg(
        F.min("event_at").alias("first"), F.max("event_at").alias("last")
    )
    touched = touched.persist()
    try:
        # As integers: Python would get them in the machine's zone, where an hour of each autumn happens twice.
        span = touched.agg(
            F.unix_micros(F.min("first")).alias("first"), F.unix_micros(F.max("last")).alias("last")
        ).first()
        if span is None or span["first"] is None:
            return
        first, last = (of_micros(span[name]) for name in ("first", "last"))
        # A new event changes watches that started up to a day before it; those need the impressions of one more day.
        # A new impression changes watches that start up to a day after it; those have reactions of one more day.
        around = lake.read(EVENTS, since=first - 2 * BELONGS, until=last + 2 * BELONGS + timedelta(microseconds=1))
        events = around.join(touched.select("user_id", "video_id"), on=["user_id", "video_id"], how="left_semi")
        # In whole hours, which are marked as a whole.
        near = between(load(WATCHES), first - BELONGS - REACHES - HOUR, last + BELONGS + REACHES + HOUR)
        lake.create(WATCHES)
        there = lake.own(WATCHES).where(near)
        lake.merge(WATCHES, changes(watches(events, lake.read(VIDEOS)), there, touched))
    finally:
        touched.unpersist()


def changes(made: DataFrame, there: DataFrame, touched: DataFrame) -> DataFrame:
    """The rows of silver.watches that are new, or may be others, since something happened to their viewers.

    `made`: watches of the pairs that it happened with, each by itself. `there`: rows of silver.watches, with those of
    the REACHES before and after. `touched` (user_id, first, last): from when to when it happened.
    """
    columns, by_others, start = there.columns, F.struct("session_started_at", "marks"), F.col("started_at")
    viewers = touched.groupBy("user_id").agg(F.min("first").alias("first"), F.max("last").alias("last"))
    # Watches outside this time were made from events that are not all here.
    since, until = F.col("first") - F.lit(BELONGS), F.col("last") + F.lit(BELONGS)
    complete = start.between(since, until)
    begin, end = _hour(since) - F.lit(REACHES), _hour(until + F.lit(REACHES + HOUR))
    new = made.withColumn("session_started_at", F.lit(None).cast("timestamp")).withColumn("is_new", F.lit(True))
    new = new.join(viewers, on="user_id", how="inner").where(complete)
    old = there.withColumn("is_new", F.lit(False)).join(viewers, on="user_id", how="inner")
    same = Over.partitionBy("user_id", "video_id").orderBy(F.unix_micros("started_at")).rangeBetween(0, 0)
    every = (
        new.unionByName(old.where((start >= begin) & (start < end)))
        # One exchange for all that follows.
        .repartition("user_id")
        .withColumns({"is_newest": F.col("is_new") == F.max("is_new").over(same), "before": by_others})
        .where("is_newest")
    )
    is_other = (start >= _hour(F.col("first"))) & ~by_others.eqNullSafe(F.col("before"))
    return among_others(every).where(F.col("is_new") | is_other).select(*columns)


def _hour(at: Column) -> Column:
    return F.date_trunc("hour", at)


def _within(since: str, event_at: Column) -> Column:
    """Whether an event is at or after `since` by at most BELONGS; false while `since` is NULL."""
    limit = F.col(since) + F.expr(f"INTERVAL '{int(BELONGS.total_seconds())}' SECOND")
    return F.col(since).isNotNull() & (event_at <= limit)
