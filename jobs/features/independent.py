"""Who of the people that watched something lately counts as one who came by themselves.

Belongs here: what a creator, a crowd of accounts and accounts of today may add to a rise, over frames. What a rise is:
rises.py. What is listed: trending.py.

Nobody counts twice, and no creator for their own. A crowd are accounts that watch the same videos in the same hours
while hardly anybody else does: of at least CROWD_LEAST of those who watched an id, one video in one hour, at least half
of all that it had then; who was part of that with TOGETHER other videos within CROWD_D days is in a crowd, of whom
CROWD_COUNTS count. What all were shown together is no sign of a crowd: watches that came by a feed, and those of videos
that were listed as trending. Accounts that are new, or were away for NEW_D, count at most as many as those who were
here before, unless the platform is new itself. Of the people of a hashtag, those of one creator count at most as many
as those of all others.

It finds crowds that act together more than once; one that pushes a single video once by old accounts is nobody's to
tell from people. Ids with more than CROWD_MOST people are not looked at for crowds: the work would grow with them.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from jobs.features.rises import LATELY, hour_number, weight
from serving.feed_store.shapes import TrendingKind

CROWD_D, CROWD_LEAST, TOGETHER, CROWD_COUNTS, CROWD_MOST = 7, 4, 2, 3, 2_000
# A crowd stands out as long as the people of an id are not themselves most of those who are there.
STANDS_OUT = 3.0
NEW_D = CROWD_D + 1
OF = ("kind", "id", "at")


def counted(people: DataFrame, watches: DataFrame, shown: DataFrame, began: int) -> DataFrame:
    """How much counts of the people (kind, id, at, user_id, creator_id, hour) who watched something lately.

    `watches` are those of silver.watches from NEW_D before the first `at` on; `shown` the videos that were listed as
    trending (video_id, hour). The platform `began` in an hour. Out come OF, `lately` (weighted), `people` who are in no
    crowd, and `not_counted`.
    """
    once = (
        people.where("user_id <> creator_id")
        .withColumn("lag", F.col("at") - F.col("hour"))
        .groupBy(*OF, "user_id")
        .agg(F.min("lag").alias("lag"), F.min_by("creator_id", F.struct("lag", "creator_id")).alias("creator_id"))
    ).localCheckpoint()
    theirs = watches.join(once.select("user_id").distinct(), on="user_id", how="left_semi")
    first_hours = theirs.groupBy("user_id").agg(F.min(hour_number("started_at")).alias("first_hour"))
    # After a time without anybody all seem new, as they do on a new platform.
    earliest = watches.agg(F.min(hour_number("started_at"))).first()
    is_known = (F.col("at") - began > NEW_D * 24) & (F.lit(earliest and earliest[0]) <= F.col("at") - LATELY)
    # Who is in no crowd is numbered alone: all of a large id would be sorted by one task.
    alone = F.when(~F.col("is_crowd"), F.col("user_id"))
    nth = Over.partitionBy(*OF, "is_crowd", alone).orderBy("lag", "user_id")
    marked = (
        once.join(_crowds(once, theirs, watches, shown), on=["at", "user_id"], how="left")
        .join(first_hours, on="user_id", how="left")
        .withColumn("is_crowd", F.coalesce("is_crowd", F.lit(False)))
        .withColumn("counts", F.row_number().over(nth) <= CROWD_COUNTS)
        .withColumn("weight", F.when(F.col("counts"), weight(F.col("lag"))).otherwise(0.0))
        .withColumn("is_new", is_known & (F.col("first_hour") > F.col("at") - LATELY))
    )
    of_creators = marked.groupBy(*OF, "creator_id").agg(
        F.sum("weight").alias("weight"),
        F.sum(F.when(F.col("is_new"), F.col("weight")).otherwise(0.0)).alias("new"),
        F.count_if("counts").alias("people"),
        F.count_if(~F.col("counts")).alias("not_counted"),
    )
    whole = of_creators.groupBy(*OF).agg(
        F.sum("weight").alias("all"),
        F.max("weight").alias("largest"),
        F.sum("new").alias("new"),
        F.sum("people").alias("people"),
        F.sum("not_counted").alias("not_counted"),
    )
    of_creator = F.least("largest", F.col("all") - F.col("largest")) + F.col("all") - F.col("largest")
    of_new = F.least("new", F.col("all") - F.col("new")) + F.col("all") - F.col("new")
    by_creators = F.when(F.col("kind") == TrendingKind.VIDEOS, F.col("all")).otherwise(of_creator)
    lately = F.round(F.try_divide(by_creators * of_new, F.col("all")), 6)
    return whole.select(*OF, F.coalesce(lately, F.lit(0.0)).alias("lately"), "people", "not_counted")


def _crowds(once: DataFrame, theirs: DataFrame, watches: DataFrame, shown: DataFrame) -> DataFrame:
    """Who (user_id) is in a crowd at each `at`, by what they watched beside the videos that they are counted for.

    `theirs`: the watches of those people. How many others watched the same is asked of few videos and hours.
    """
    act_hour = hour_number("started_at").alias("act_hour")
    acts = theirs.where("feed_version IS NULL").select("user_id", "video_id", act_hour).distinct()
    was_shown = (acts["video_id"] == shown["video_id"]) & F.col("act_hour").between(
        F.col("hour") + 1, F.col("hour") + LATELY
    )
    acts = acts.join(F.broadcast(shown), on=was_shown, how="left_anti")
    of_videos = once.where(F.col("kind") == TrendingKind.VIDEOS)
    sizes = of_videos.groupBy("id", "at").agg(F.count("*").alias("of_id"))
    together = Over.partitionBy("id", "at", "video_id", "act_hour")
    joint = (
        of_videos.join(sizes.where(F.col("of_id").between(CROWD_LEAST, CROWD_MOST)), on=["id", "at"], how="inner")
        .join(acts, on="user_id", how="inner")
        .where((F.col("video_id") != F.col("id")) & F.col("act_hour").between(F.col("at") - CROWD_D * 24, F.col("at")))
        .withColumn("mine", F.count("*").over(together))
        .where(F.col("mine") >= CROWD_LEAST)
        .select("id", "at", "user_id", "video_id", "act_hour", "of_id", "mine")
    ).localCheckpoint()
    everybody = (
        watches.select("user_id", "video_id", act_hour)
        .join(joint.select("video_id", "act_hour").distinct(), on=["video_id", "act_hour"], how="left_semi")
        .groupBy("video_id", "act_hour")
        .agg(F.count_distinct("user_id").alias("everybody"))
    )
    lately = F.col("act_hour").between(F.col("at") - LATELY + 1, F.col("at"))
    active = (
        watches.select("user_id", act_hour)
        .join(F.broadcast(once.select("at").distinct()), on=lately, how="inner")
        .groupBy("at")
        .agg(F.approx_count_distinct("user_id").alias("active"))
    )
    return (
        joint.join(everybody, on=["video_id", "act_hour"], how="inner")
        .join(F.broadcast(active), on="at", how="inner")
        .where(F.col("mine") * 2 >= F.col("everybody"))
        .where(F.col("mine") * F.col("active") >= F.lit(STANDS_OUT) * F.col("of_id") * F.col("everybody"))
        .groupBy("id", "at", "user_id")
        .agg(F.count_distinct("video_id").alias("videos"))
        .where(F.col("videos") >= TOGETHER)
        .select("at", "user_id", F.lit(True).alias("is_crowd"))
        .distinct()
    )
