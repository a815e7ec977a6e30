"""A creator is told whom their videos reached, by what, and which of them are limited and why."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.command.reach import BESIDE, report
from jobs.settings import Settings
from tests.contracted import put

DAY, NOON = date(2024, 3, 1), datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """ben and cid were shown two videos of ann's and one of another's; one of hers is limited."""
    settings = Settings(home=tmp_path)
    common = {"hashtags": [], "status": "published", "source": "api", "published_at": NOON}
    put(settings, "silver.videos", *[
        {"video_id": video, "user_id": creator, "title": f"The {video}", **common}
        for video, creator in (("a", "ann's"), ("b", "ann's"), ("x", "another"))
    ])  # fmt: skip
    put(settings, "silver.impressions", *[
        {"user_id": viewer, "video_id": video, "shown_at": NOON, "position": 0, "feed_version": version, **more}
        for viewer, video, version, more in (
            ("ben", "a", "20240229.m", {"started_at": NOON, "liked_at": NOON}),
            ("cid", "a", "20240229.m", {}),
            ("cid", "b", "fallback", {}),
            ("ben", "x", "20240229.m", {"started_at": NOON}),
        )
    ])  # fmt: skip
    slot = {"position": 0, "event_date": date(2024, 2, 29), "score": 1.0, "reason": "why", "model_version": "m"}
    put(settings, "gold.feeds", *[
        {"user_id": viewer, "video_id": "a", "feed_version": "20240229.m", "source": "fresh", **slot}
        for viewer in ("ben", "cid")
    ])  # fmt: skip
    rule = {"rule": "free money", "action": "limit", "why": "it asks for passwords"}
    put(settings, "gold.visibility", {"event_date": DAY, "video_id": "b", "creator_id": "ann's", **rule})
    return settings


def test_a_creator_is_told_what_their_own_videos_reached_and_what_limits_them(settings: Settings, capsys: Any) -> None:
    report(settings, "ann's", DAY, as_json=True)
    (found,) = json.loads(capsys.readouterr().out)
    assert [list(row.values()) for row in found["reach"]] == [["fresh", 2, 2, 1, 1, 0], [BESIDE, 1, 1, 0, 0, 0]]
    (limit,) = found["visibility"]
    assert list(limit.values()) == ["b", "The b", "limit", "free money", "it asks for passwords", None]
    report(settings, "ann's", DAY, as_json=False)
    assert "it asks for passwords" in capsys.readouterr().out


def test_where_there_is_nothing_to_tell_it_says_so(tmp_path: Path, capsys: Any) -> None:
    report(Settings(home=tmp_path), "ann", DAY, as_json=False)
    assert "No rule of visibility decides any of them." in capsys.readouterr().out
