"""The first nights of a platform: no video, no viewer, one of each, and everything watched by everybody."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

import data_contracts
from jobs.command import rankings
from jobs.command.endpoint import served
from jobs.command.progress import run_pipeline
from jobs.engine.frames import rows_of
from jobs.engine.lake import Lake
from jobs.engine.runner import run_job
from jobs.engine.window import Window
from jobs.feeds import publish
from jobs.pipeline import find
from jobs.settings import Settings

NOW = datetime.now(UTC)


def _fill(lake: Lake, table: str, row: dict[str, Any]) -> None:
    contract = data_contracts.load(table)
    named = {c.name: row.get(c.name, False if c.type == "boolean" else None) for c in contract.columns}
    lake.merge(table, rows_of(lake.spark, table, [named]))


def _video(lake: Lake, video_id: str) -> None:
    of = {"user_id": "maker", "title": "First", "hashtags": ["new"], "status": "published", "source": "api"}
    _fill(lake, "silver.videos", {"video_id": video_id, "published_at": NOW - timedelta(days=1), **of})


def _watch(lake: Lake, user_id: str, video_id: str) -> None:
    seen = {"started_at": NOW - timedelta(hours=1), "watch_ms": 1000, "share_watched": 1.0, "is_finished": True}
    _fill(lake, "silver.watches", {"user_id": user_id, "video_id": video_id, **seen})


def _slot(day: date) -> dict[str, Any]:
    of = {"user_id": "ann", "video_id": "first", "position": 0, "score": 1.0, "reason": "new here"}
    return {**of, "event_date": day, "feed_version": f"{day:%Y%m%d}.x", "model_version": "x"}


def _feeds_are_made(lake: Lake) -> None:
    """The jobs of a night that videos and watches which stand in silver already matter to."""
    for name in ("ranking.candidates", "feeds.build", "feeds.publish"):
        run_job(find(name), Window.of_day(NOW.date()), lake.spark, lake.settings)


def _feed(settings: Settings, user_id: str) -> tuple[int, list[str]]:
    with served(settings) as url:
        answer = httpx.get(f"{url}/v1/feed/{user_id}")
    return answer.status_code, [item["video_id"] for item in answer.json().get("items", [])]


def test_a_platform_starts_with_nothing_and_every_night_ends(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    settings = lake.settings
    run_pipeline("nightly", None, settings)
    assert _feed(settings, "ann") == (503, [])
    rankings.verdicts(settings, None, None)
    assert "no ranker yet" in capsys.readouterr().out

    # The first upload: nobody has watched it, and everybody is shown it.
    _video(lake, "first")
    _feeds_are_made(lake)
    assert _feed(settings, "ann") == (200, ["first"])

    # The only viewer has watched the only video: nothing is left to propose, and the night ends all the same.
    _watch(lake, "ann", "first")
    _feeds_are_made(lake)
    assert _feed(settings, "ann") == (200, ["first"])

    # Somebody had a feed last night, and the watches of all time are gone: that is no fact, and takes nobody's feed.
    _fill(lake, "gold.feeds", _slot(NOW.date() - timedelta(days=1)))
    lake.spark.sql(f"DELETE FROM delta.`{lake.tables.uri('silver.watches')}`")
    with pytest.raises(publish.NoFeeds, match="the watches are lost"):
        publish.nobodys(Lake(lake.spark, settings), Window.of_day(NOW.date()))
