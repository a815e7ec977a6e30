"""What is served is printed: which versions there are, and a viewer's feed as the endpoint gives it out."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from jobs.command import served
from jobs.feeds.shown import NothingServed
from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from serving.feed_store.reader import FeedReader, Page
from serving.feed_store.shapes import Slot
from serving.feed_store.writer import FeedStore
from tests.serving.staging import write_feeds


def slot(n: int) -> dict[str, Any]:
    return Slot(
        video_id=f"v{n}", position=n, user_id="maker", title=f"Title {n}", hashtags=[], duration=2.5, views=1, likes=0,
        published_at="2024-03-01T00:00:00Z", playback_url=None, poster_url=None, reason=f"because of {n % 2}",
        propensity=0.005 if n == 3 else None,
    ).model_dump()  # fmt: skip


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home in which two nights were published; ann refused a video since."""
    settings = Settings(home=tmp_path_factory.mktemp("served"))
    with redis_url(settings) as url, FeedStore(url) as store:
        for version in ("20240301.m", "20240302.m"):
            store.begin(version)
            write_feeds(store, version, [("ann", [slot(n) for n in range(120)])])
            store.write_fallback(version, [slot(500)])
            store.commit(version, 1)
        store.refuse([("ann", "v1")])
    return settings


def test_versions_are_listed_with_what_they_take_and_until_when_they_stay(settings: Settings, capsys: Any) -> None:
    served.versions(settings, as_json=False)
    old, new = capsys.readouterr().out.splitlines()[1:]
    assert "2024-03-01" in old and "goes in 48 h" in old
    assert "2024-03-02" in new and "is served" in new
    served.versions(settings, as_json=True)
    old, new = json.loads(capsys.readouterr().out)
    assert (new["version"], new["viewers"], new["is_current"], old["is_current"]) == ("20240302.m", 1, True, False)
    assert 120 * 7 < new["bytes_per_viewer"] < 2048


def test_a_feed_is_printed_whole_as_it_is_given_out_with_its_reasons(settings: Settings, capsys: Any) -> None:
    served.feed("ann", settings, as_json=False)
    version, _, *lines = capsys.readouterr().out.splitlines()
    assert version.startswith("20240302.m: ") and len(lines) == 119
    assert lines[0].split() == ["0", "v0", "Title", "0", "maker", "because", "of", "0"]
    assert "0.0050" in lines[2]
    served.feed("ann", settings, as_json=True)
    assert json.loads(capsys.readouterr().out)["slots"] == [slot(n) | {"position": n} for n in range(120) if n != 1]


def test_of_a_stranger_it_says_that_they_have_no_feed_of_their_own(settings: Settings, capsys: Any) -> None:
    served.feed("stranger", settings, as_json=False)
    out = capsys.readouterr().out
    assert "gets the one for strangers" in out and "v500" in out


def test_before_the_first_publish_it_says_what_publishes(tmp_path: Path, capsys: Any) -> None:
    settings = Settings(home=tmp_path)
    served.versions(settings, as_json=False)
    assert "reelmill pipeline nightly" in capsys.readouterr().out
    with pytest.raises(NothingServed, match="reelmill pipeline nightly"):
        served.feed("ann", settings, as_json=False)


def test_a_feed_that_goes_while_its_pages_are_read_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first_page = FeedReader.first_page

    async def and_then_it_goes(reader: FeedReader, viewer_id: str, limit: int) -> Page:
        page = await first_page(reader, viewer_id, limit)
        with redis_url(settings) as url, redis.Redis.from_url(url) as client:
            client.delete(*cast("list[bytes]", client.keys("feed:*:*")))
        return page

    monkeypatch.setattr(FeedReader, "first_page", and_then_it_goes)
    with pytest.raises(NothingServed, match="no longer held: it ended while it was being read; look again"):
        served.feed("ann", settings, as_json=False)
