"""What rises is printed as clients would get it, with titles and why."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.command.rising import rising
from jobs.settings import Settings
from serving.feed_store.shapes import TrendingKind
from tests.contracted import put

NINE, TEN = (datetime(2024, 3, 1, hour, tzinfo=UTC) for hour in (9, 10))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home in which cats rose at nine, and dogs and a hashtag at ten."""
    settings = Settings(home=tmp_path)
    common: dict[str, Any] = {"score": 4.25, "people": 40, "not_counted": 0, "lately": 40.0, "expected": 5.0}
    put(settings, "gold.trending", *[
        {"kind": kind, "id": id, "hour_start": at, "rank": 1, "reason": f"why {id}", **common}
        for kind, id, at in (("videos", "cats", NINE), ("videos", "dogs", TEN), ("hashtags", "pets", TEN))
    ])  # fmt: skip
    video = {"user_id": "ann", "title": "Dogs dance", "hashtags": [], "status": "published", "source": "api"}
    put(settings, "silver.videos", {"video_id": "dogs", "published_at": NINE, **video})
    return settings


def test_the_newest_list_is_printed_with_titles_and_reasons(settings: Settings, capsys: Any) -> None:
    rising(settings, TrendingKind.VIDEOS, 10, as_json=False)
    out = capsys.readouterr().out
    assert "2024-03-01 10:00" in out and "Dogs dance" in out and "why dogs" in out and "cats" not in out


def test_programs_get_the_same(settings: Settings, capsys: Any) -> None:
    rising(settings, TrendingKind.HASHTAGS, 10, as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["rank"], row["id"], row["title"], row["reason"]) == (1, "pets", None, "why pets")


def test_before_the_first_hour_it_says_what_makes_a_list(tmp_path: Path, capsys: Any) -> None:
    rising(Settings(home=tmp_path), TrendingKind.VIDEOS, 10, as_json=False)
    assert "reelmill pipeline hourly" in capsys.readouterr().out
