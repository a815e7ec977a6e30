"""Marks watches that no person can have made, with the rules that caught them, and says which watches count.

Belongs here: what a watch is by the other watches of its viewer, which are its session and most rules; all rules with
their thresholds; and `unmarked`, by which whatever learns or counts leaves marked watches out. A marked watch stays in
silver.watches, and its video is not shown to its viewer again. Which events belong to a watch: watches.py.

Nothing here looks beyond the hour of the clock in which a watch started. A session hangs on watches before it; and a
rule that is broken in an hour catches all that its viewer started in it, since the hour is the shortest time that is
counted. So what was known of a watch when its hour was over is what is known of it now, unless an event came late; and
a watch that arrives changes watches of its viewer from its hour to that of the instant REACHES after it, and no others.
The price is that what a bot does in the hours before one in which it is caught counts.

Clocks differ by as much as CLOCKS, the skew that Kerberos allows (RFC 4120). A watch whose time on screen nobody knows,
such as the rating of a film that was brought in, is not held to a clock by the rules on speed and time.
"""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F
from pyspark.sql.window import WindowSpec

from serving.interactions import MAX_SHARE, MAX_WATCH_MS

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# A viewer who starts nothing for longer than this has left: the convention of web analytics since Catledge and Pitkow,
# "Characterizing browsing strategies in the World-Wide Web" (1995), who found 25.5 minutes.
PAUSE = timedelta(minutes=30)
# How far back a watch can hang on another: a session of a day, and the pause before it.
REACHES = DAY + PAUSE
CLOCKS = timedelta(minutes=5)
# Two a second, for a whole minute: a hand that swipes is slower.
A_MINUTE = 120
# On screen in an hour of the clock: one person can have two screens, or play at double speed.
AN_HOUR = 2 * HOUR
# Watches of one video in a day: once an hour, day and night. A clip that loops is one watch.
A_VIDEO = 24
# The rules that a watch breaks by itself, and those that its viewer breaks in its hour, with what each says.
BY_ITSELF = {
    "ahead_of_receipt": f"it started more than {CLOCKS // MINUTE} minutes after its view was received",
    "before_its_clip": f"it started more than {CLOCKS // MINUTE} minutes before its clip was published",
    "at_the_limit": f"it has the longest time, {MAX_WATCH_MS} ms, or share, {MAX_SHARE:.0f}, that a client may report",
}
BY_OTHERS = {
    "too_fast": f"more than {A_MINUTE} watches of its viewer started within a minute",
    "too_much_time": f"its viewer had videos on screen for more than {AN_HOUR // HOUR} hours",
    "replayed": f"its viewer watched a video that they had watched {A_VIDEO} times in the day before",
    "no_rest": f"its viewer had watched for a day without a pause of {PAUSE // MINUTE} minutes",
}
RULES = {**BY_ITSELF, **BY_OTHERS}


def is_marked() -> Column:
    """Whether a rule caught a row of silver.watches; false for rows of before there were rules."""
    return F.coalesce(F.size("marks") > 0, F.lit(False))


def unmarked(watches: DataFrame) -> DataFrame:
    """The rows of silver.watches that count: in features, in what trends, and in what rankers learn and are judged by.

    Whether a viewer has seen a video is asked of all rows.
    """
    return watches.where(~is_marked())


def marked_by_itself(received_at: Column, published_at: Column) -> Column:
    """The rules, in their order, that a row with started_at, watch_ms and share_watched breaks by itself.

    `published_at` is that of a clip, NULL for a title: nobody knows since when people watch what was brought in.
    """
    at = F.col("started_at")
    return _names(
        {
            "ahead_of_receipt": at > received_at + F.lit(CLOCKS),
            "before_its_clip": at < published_at - F.lit(CLOCKS),
            "at_the_limit": (F.col("share_watched") >= MAX_SHARE) | (F.col("watch_ms") >= MAX_WATCH_MS),
        }
    )


def among_others(watches: DataFrame) -> DataFrame:
    """Rows of silver.watches with `session_started_at`, and with `marks` of both kinds of rules.

    `watches` are all of each viewer's in some whole hours, with the `marks` that each has by itself, of which others
    may be there too; best they lie together by viewer. Rows are right from REACHES after the begin on. Each costs the
    same however many its viewer has: no span before it is counted anew.
    """
    # By id too: of watches that start at one instant, the same one is always before the other.
    viewer = Over.partitionBy("user_id").orderBy("_at", "video_id")
    video, hour = Over.partitionBy("user_id", "video_id").orderBy("_at"), Over.partitionBy("user_id", "_hour")
    at, timed = F.col("_at"), F.col("watch_ms").isNotNull()
    before = {
        "_nth": F.lag("_at", A_VIDEO).over(video),
        "_last": F.lag("_at").over(viewer),
        "_many": F.lag("_at", A_MINUTE).over(viewer),
    }
    begin = F.when(F.coalesce(at - F.col("_last") > _micros(PAUSE), F.lit(True)), at)
    # The newest one is the highest.
    began = F.max(begin).over(viewer.rowsBetween(Over.unboundedPreceding, Over.currentRow))
    is_session = at - F.col("_began") < _micros(DAY)
    # `least` passes over NULL.
    on_screen = F.when(timed, F.least(F.col("watch_ms") * 1000, (F.col("_hour") + 1) * _micros(HOUR) - at))
    caught = {
        "too_fast": _any(timed & (at - F.col("_many") < _micros(MINUTE)), hour),
        "too_much_time": F.sum(on_screen).over(hour) > _micros(AN_HOUR),
        "replayed": _any(timed & (at - F.col("_nth") < _micros(DAY)), hour),
        "no_rest": _any(timed & ~is_session, hour),
    }
    by_itself = F.array_intersect(F.coalesce("marks", _names({})), F.array(*map(F.lit, BY_ITSELF)))
    return (
        watches.withColumn("_at", F.unix_micros("started_at"))
        .withColumn("_hour", F.floor(at / _micros(HOUR)))
        .withColumns(before)
        .withColumn("_began", began)
        .withColumn("session_started_at", F.when(is_session, F.timestamp_micros("_began")))
        .withColumn("marks", F.concat(by_itself, _names({name: timed & is_so for name, is_so in caught.items()})))
        .drop("_at", "_hour", "_began", *before)
    )


def _any(is_so: Column, over: WindowSpec) -> Column:
    return F.max(is_so).over(over)


def _names(caught: dict[str, Column]) -> Column:
    """The names of the rules that are so, in their order."""
    named = [F.when(is_so, F.lit(name)) for name, is_so in caught.items()]
    return F.array_compact(F.array(*named).cast("array<string>"))


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
