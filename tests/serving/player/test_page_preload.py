"""What the player loads of clips that are not shown yet: what their slots advise, and no more."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.media.ladder import transcode
from jobs.media.probe import probe
from jobs.sim.clips import Clip, draw
from serving.app import create_app
from serving.feed_store.shapes import FIRST_SECONDS
from serving.feed_store.writer import FeedStore
from tests.chromium import Chromium
from tests.serving.conftest import over_http
from tests.serving.player.conftest import IDS, VERSION, slots
from tests.serving.player.person import ADDRESSES, Person

pytestmark = pytest.mark.browser

# Of six seconds, in segments of two, people watch less than the first.
SIZE, SECONDS, WATCHED = (360, 640), 6, 1.5
NEXT_HAS_A_PICTURE = "return document.querySelectorAll('.clip video')[arguments[0]]?.readyState >= 2"


@pytest.fixture
def passer_by(server_url: str, window: Chromium, tmp_path: Path) -> Iterator[Person]:
    """Somebody with three clips in three rungs, of which the one in the middle is advised."""
    drawn, media = tmp_path / "drawn.mp4", tmp_path / "media"
    draw(Clip(1, 2, 90, 1, SECONDS * 1000, SIZE, 0), drawn)
    (media / "0").mkdir(parents=True)
    assert [variant.name for variant in transcode(drawn, probe(drawn), media / "0")] == ["180p", "270p", "360p"]
    feed = []
    for n, slot in enumerate(slots()[:3]):
        if n:
            shutil.copytree(media / "0", media / str(n))
        weights = dict.fromkeys(map(str, FIRST_SECONDS), 1)
        advice = {"playlist_url": f"/media/{n}/270p/index.m3u8", "bytes": weights, "watch_seconds": WATCHED}
        feed.append(slot | {"preload": advice})
    url = f"{server_url.rpartition('/')[0]}/2"
    with FeedStore(url) as store:
        store.begin(VERSION)
        store.write_fallback(VERSION, feed)
        store.commit(VERSION, 0)
    events, landing = tmp_path / "events", tmp_path / "landing"
    with over_http(create_app(redis_url=url, media=media, events=events, landing=landing, secret="s")) as http:
        yield Person(window, str(http.base_url))
        window.open("about:blank")


def test_of_the_next_clips_only_the_advised_rendition_comes_and_only_what_people_watch_of_it(passer_by: Person) -> None:
    passer_by.open("/")
    passer_by.sees(IDS[0], played=0.5)
    for place in (1, 2):
        passer_by.window.wait(NEXT_HAS_A_PICTURE, place)
    passer_by.sees(IDS[0], played=1.5)  # Time for more, if more were to come.
    addresses = passer_by.window.run(ADDRESSES)
    for place in (1, 2):
        start = f"/media/{place}/"
        came = {address.partition(start)[2] for address in addresses if start in address and ".m4s" in address}
        assert came == {"270p/000.m4s"}
    shown = [address.partition("/media/0/")[2] for address in addresses if "/media/0/" in address]
    assert next(address for address in shown if ".m4s" in address) == "270p/000.m4s"
