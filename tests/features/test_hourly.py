"""Each hour's counts say what happened in it, and what comes late makes just its own hours again."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession

from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.runner import run_job
from jobs.engine.window import HOUR, Window
from jobs.features import hourly_hashtags, hourly_videos
from jobs.features.hourly_hashtags import HASHTAG_HOURLY
from jobs.features.hourly_sounds import SOUND_HOURLY
from jobs.features.hourly_videos import VIDEO_HOURLY
from jobs.settings import Settings

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
COLUMNS = ("hour_start", "viewers", "plays", "finishes", "likes", "velocity")


def after(hours: float) -> float:
    """The day of `watches_of` that lies so many hours after noon."""
    return hours / 24


def hour(n: int) -> Window:
    """The nth hour after noon."""
    return Window(NOON + n * HOUR, NOON + (n + 1) * HOUR)


def in_order(rows: DataFrame) -> list[Row]:
    return sorted(rows.collect())


def told(rows: DataFrame) -> list[tuple[int, ...]]:
    """COLUMNS, the hour counted from noon."""
    noon = NOON.replace(tzinfo=None)
    return sorted(((row.hour_start - noon) // HOUR, *row[1:]) for row in rows.select(*COLUMNS).collect())


def test_a_person_counts_once_an_hour_and_a_like_when_it_was_given(watches_of: Any) -> None:
    liked_later = {"share_watched": 1.0, "is_liked": True, "liked_at": NOON + timedelta(hours=2, minutes=5)}
    watches = watches_of(
        ("ann", "cats", after(0)), ("ann", "cats", after(0.2)), ("ben", "cats", after(0.5), liked_later),
        ("ben", "cats", after(1)),
    )  # fmt: skip
    rows = VIDEO_HOURLY.hours(Window(NOON, NOON + 4 * HOUR), watches)
    assert told(rows) == [(0, 2, 3, 1, 0, 2), (1, 1, 1, 0, 0, -1), (2, 0, 0, 0, 1, -1)]


def test_what_comes_late_makes_its_own_hours_again_in_one_commit_and_the_same_run_again_none(
    lake: Lake, spark: SparkSession, settings: Settings, watches_of: Any
) -> None:
    job = hourly_videos.run
    lake.merge("silver.watches", watches_of(*[("ann", "cats", after(n)) for n in (0, 1, 5, 6)]))
    # Nothing is done yet, so that all is owed from the first watch on.
    assert run_job(job, hour(6), spark, settings, catch_up=True).window == Window(NOON, hour(6).end)
    late = {"is_liked": True, "liked_at": NOON + timedelta(hours=4)}
    lake.merge("silver.watches", watches_of(("ben", "cats", after(0.9), late), ("ben", "dogs", after(7))))
    done = run_job(job, hour(7), spark, settings, catch_up=True)
    # The watch, the like, the new hour; and after each of them the hour that is compared with it.
    owed = [Window(NOON, NOON + 2 * HOUR), Window(NOON + 4 * HOUR, NOON + 6 * HOUR), hour(7)]
    assert list(done.window.spans) == owed and len(done.commits) == 1
    whole = VIDEO_HOURLY.hours(Window(NOON, hour(7).end), lake.read("silver.watches"))
    made = Lake(spark, settings).read("gold.video_hourly")
    assert in_order(made) == in_order(whole) and made.where("video_id = 'dogs'").count() == 1
    assert run_job(job, hour(7), spark, settings, catch_up=True).window == hour(7)
    assert in_order(Lake(spark, settings).read("gold.video_hourly")) == in_order(whole)


def test_what_a_ring_of_bots_did_adds_nothing_to_an_hour(lake: Lake, watches_of: Any) -> None:
    ring = [(f"bot {n}", "cats", after(0.1), {"marks": ["replayed"]}) for n in range(9)]
    lake.merge("silver.watches", watches_of(*ring, ("ann", "cats", after(0))))
    hourly_videos.run(lake, hour(0))
    assert [(row.plays, row.viewers) for row in lake.read("gold.video_hourly").collect()] == [(1, 1)]


def test_a_hashtag_counts_the_people_of_all_its_videos_once(watches_of: Any, videos_of: Any) -> None:
    watches = watches_of(("ann", "cats", 0), ("ann", "dogs", 0), ("ben", "cats", 0))
    rows = HASHTAG_HOURLY.hours(hour(0), watches, videos_of("cats", "dogs")).collect()
    assert [(row.hashtag, row.plays, row.viewers, row.videos, row.creators) for row in rows] == [("pets", 3, 2, 2, 2)]


def test_a_sound_counts_the_people_of_all_videos_that_use_it_and_of_no_video_with_its_own(
    spark: SparkSession, watches_of: Any
) -> None:
    watches = watches_of(("ann", "cats", 0), ("ann", "dogs", 0), ("ben", "cats", 0), ("ben", "birds", 0))
    said: dict[str, Any] = {"title": "T", "hashtags": [], "source": "api", "uploaded_at": NOON}
    sounds = {"cats": "song", "dogs": "song", "birds": None}
    uploads = [{"upload_id": id, "user_id": f"of {id}", "sound_id": sound, **said} for id, sound in sounds.items()]
    rows = SOUND_HOURLY.hours(hour(0), watches, rows_of(spark, "bronze.uploads", uploads)).collect()
    assert [(row.sound_id, row.plays, row.viewers, row.videos, row.creators) for row in rows] == [("song", 3, 2, 2, 2)]


def test_where_nobody_ever_watched_nothing_is_made_and_nothing_fails(lake: Lake, watches_of: Any) -> None:
    lake.create("silver.watches")
    lake.create("silver.videos")
    hourly_hashtags.run(lake, hour(0))
    assert not lake.exists("gold.hashtag_hourly")
