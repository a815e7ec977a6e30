"""What rises is listed with why, hour by hour, and handed to the endpoint."""

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.runner import JobFailed, run_job
from jobs.engine.runs import record_nothing_new
from jobs.engine.window import HOUR, Window
from jobs.features import trending
from jobs.features.trending import OF_A_CREATOR
from jobs.feeds import trending as handing_over
from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from serving.feed_store.shapes import TrendingKind
from serving.feed_store.trending import Items, TrendingReader
from serving.feed_store.wire import Wire
from serving.feed_store.writer import FeedStore

NOON = datetime(2024, 3, 10, 12, tzinfo=UTC)
LAST = Window(NOON, NOON + HOUR)
PEOPLE = [f"viewer{n}" for n in range(40)]
# All of which rise by their counts; one of them by marked watches, and one is withdrawn.
RISEN = ("again", "by-ann-1", "by-ann-2", "by-ann-3", "by bots", "withdrawn")


@pytest.fixture(scope="module")
def risen(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, watches_of: Any) -> Lake:
    """For nine days one watches a video each hour, a thousand another; at noon forty watch six, three by ann."""
    lake = Lake(spark, Settings(home=tmp_path_factory.mktemp("risen")))
    counted: dict[str, Any] = {"finishes": 0, "skips": 0, "likes": 0, "shares": 0, "velocity": 0}
    rows: list[dict[str, Any]] = []
    for video in ("much", "steady", *RISEN):
        counted |= {"plays": 1000, "viewers": 1000} if video == "much" else {"plays": 1, "viewers": 1}
        many = {"plays": 40, "viewers": 40} if video in RISEN else {}
        for n in range((29 if video == "much" else 9) * 24):
            rows.append({"video_id": video, "hour_start": NOON - n * HOUR, **counted, **(many if n == 0 else {})})
    lake.merge("gold.video_hourly", rows_of(spark, "gold.video_hourly", rows))
    tags = [{**row, "hashtag": f"#{row['video_id']}", "videos": 1, "creators": 1} for row in rows]
    for row in tags:
        del row["video_id"]
    lake.merge("gold.hashtag_hourly", rows_of(spark, "gold.hashtag_hourly", tags))
    # Two creators use the song, and half of the people who heard it count for each.
    sounds = {"#again": "song", "#much": "hum"}
    heard_in = [
        {**row, "sound_id": sounds[hashtag], "valid_from": row["hour_start"] + HOUR}
        for row in tags
        if (hashtag := row.pop("hashtag")) in sounds
    ]
    lake.merge("gold.sound_hourly", rows_of(spark, "gold.sound_hourly", heard_in))
    said: dict[str, Any] = {"title": "T", "hashtags": [], "sound_id": "song", "source": "api", "uploaded_at": NOON}
    uploads = [{"upload_id": "again", "user_id": "ben", **said}, {"upload_id": "by-ann-1", "user_id": "ann", **said}]
    lake.merge("bronze.uploads", rows_of(spark, "bronze.uploads", uploads))
    common: dict[str, Any] = {"title": "T", "duration_ms": 1000, "status": "published", "source": "api"}
    common["published_at"] = NOON - timedelta(days=9)
    videos = [
        {"video_id": video, "user_id": "ann" if "ann" in video else "ben", "hashtags": [f"#{video}"], **common}
        for video in ("steady", "before", *RISEN)
    ]
    videos[-1] |= {"status": "rejected", "reason": "withdrawn"}
    lake.merge("silver.videos", rows_of(spark, "silver.videos", videos))
    # By a feed: that the same people watch all six is what they were shown.
    shown = {"feed_version": "a feed"}
    before = [(user, "before", 7.9) for user in PEOPLE]
    caught: dict[str, Any] = {"by bots": {"marks": ["too_fast"]}}
    halved = {"by-ann-1": PEOPLE[:20]}
    now = [
        (user, video, 9, {**shown, **caught.get(video, {})}) for video in RISEN for user in halved.get(video, PEOPLE)
    ]
    commit = lake.merge("silver.watches", watches_of(*before, (PEOPLE[0], "steady", 9), *now))
    assert commit and commit.quarantined == 0
    return lake


def listed(lake: Lake) -> list[Row]:
    return sorted(Lake(lake.spark, lake.settings).read("gold.trending").collect())


def test_what_rises_is_listed_with_why_and_an_hour_done_again_is_the_same(risen: Lake) -> None:
    run_job(trending.run, LAST, risen.spark, risen.settings)
    rows = listed(risen)
    # A hashtag that one creator has to themselves is no trend, and a video that is published no more is none.
    assert [row.kind for row in rows] == ["sounds", *["videos"] * 3]
    song, *videos = rows
    assert (song.id, song.people) == ("song", 40)
    by_id = {row.id: row for row in videos}
    assert sum(id.startswith("by-ann") for id in by_id) == OF_A_CREATOR
    again = by_id["again"]
    assert (again.people, again.not_counted, again.lately) == (40, 0, 40.0)
    assert 3 < again.expected < 7 and again.score > 3
    assert again.reason.startswith("watched by 40 people within half a day, ")
    assert again.reason.endswith(" times as much as is usual, watched for 8 days")
    assert sorted(row.rank for row in videos) == [1, 2, 3]
    run_job(trending.run, LAST, risen.spark, risen.settings)
    assert listed(risen) == rows


async def read(url: str, kind: TrendingKind) -> Items:
    async with Wire(url) as wire:
        return await TrendingReader(wire).first_page(kind, 10)


def test_the_lists_of_the_hour_reach_clients_and_an_hour_that_was_not_looked_at_does_not(risen: Lake) -> None:
    with redis_url(risen.settings) as url, FeedStore(url) as store:
        store.write_videos(({"video_id": id}, date(2024, 3, 10)) for id in RISEN)
        run_job(handing_over.run, LAST, risen.spark, risen.settings)
        videos, tags, sounds = (asyncio.run(read(url, kind)) for kind in TrendingKind)
        assert [json.loads(item)["id"] for item, _ in sounds.items] == ["song"]
        assert (videos.as_of, tags.as_of) == ("2024-03-10T13:00:00Z",) * 2
        told = [json.loads(item) for item, _ in videos.items]
        assert [item["rank"] for item in told] == [1, 2, 3] and tags.items == []
        in_order = sorted((row for row in listed(risen) if row.kind == "videos"), key=lambda row: row.rank)
        assert [(item["id"], item["reason"]) for item in told] == [(row.id, row.reason) for row in in_order]
        # Of an hour that nobody looked at there is no list, though a run was recorded that was spared.
        later = Window(NOON + HOUR, NOON + 2 * HOUR)
        record_nothing_new(trending.run.name, later, {}, risen.settings, datetime.now(UTC))
        run_job(handing_over.run, later, risen.spark, risen.settings)
        again = asyncio.run(read(url, TrendingKind.VIDEOS))
        assert (again.as_of, again.items) == (videos.as_of, videos.items)
        with pytest.raises(JobFailed, match=r"reelmill run features\.trending --start 2024-03-09T12:00Z"):
            run_job(handing_over.run, Window(NOON - 24 * HOUR, NOON - 23 * HOUR), risen.spark, risen.settings)


def test_where_nobody_ever_watched_nothing_is_listed_and_nothing_fails(lake: Lake) -> None:
    for table in trending.run.reads:
        lake.create(table)
    trending.run(lake, LAST)
    assert not lake.exists("gold.trending")
