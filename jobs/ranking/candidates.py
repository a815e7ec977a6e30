"""Tonight's candidates: what each source proposes to everybody who ever watched anything.

Belongs here: the moments of tonight. What the sources do: sources/. The order of the feed: jobs/feeds/build.py.
"""

from __future__ import annotations

from datetime import date, datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.job import job
from jobs.engine.lake import Lake
from jobs.engine.window import Window
from jobs.events.marks import unmarked
from jobs.media.visibility import rules_of
from jobs.ranking.propose import moments_at, propose
from jobs.ranking.refused import kept_away
from jobs.ranking.watched import first_watches


def candidates(
    watches: DataFrame, videos: DataFrame, day: date, at: datetime, refused: DataFrame | None = None
) -> DataFrame:
    """silver.watches, silver.videos and refusals, all as of `at` (the end of `day`), to the rows of gold.candidates."""
    # They are counted, learned from, and asked with.
    watched = first_watches(watches).persist()
    return propose(watched, videos, moments_at(watched, at), refused).select(
        F.lit(day).alias("event_date"),
        "user_id",
        "video_id",
        "source",
        "score",
        "rank",
        "because",
    )


@job(every="night", reads=["silver.watches", "silver.videos", "bronze.events"], writes=["gold.candidates"])
def run(lake: Lake, window: Window) -> None:
    watches = lake.read("silver.watches", until=window.end)
    if watches.isEmpty():
        return
    refused = kept_away(lake.read("bronze.events", until=window.end), watches)
    videos = rules_of(lake.settings).as_rejected(lake.read("silver.videos", until=window.end), window.end)
    try:
        # Whoever has watched every video there is gets no candidate, and that may be everybody.
        found = candidates(unmarked(watches), videos, window.day, window.end, refused)
        lake.replace("gold.candidates", found, window, empty_is_a_fact=True)
    finally:
        lake.spark.catalog.clearCache()
