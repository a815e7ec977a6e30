"""A day of the simulated world follows the feeds that are served: what is shown is what stands there, in its order."""

import json
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.host.redis_server import redis_url
from jobs.settings import Settings
from jobs.sim.plan import NoWorldHere
from jobs.sim.simulate import Lived, NotThatDay, live, simulate
from jobs.sim.world import lots, make_world, video_id, viewer_id
from serving.feed_store.writer import FeedStore
from tests.serving.staging import write_feeds

VIEWERS, VIDEOS, STRANGER = 40, 90, viewer_id(39)
BEFORE, VERSION = date(2026, 1, 6), "20260106.item_item_order"
# The first one is no video of the world, as if somebody had uploaded one to the same home.
FALLBACK = ["somebodys-own", *(video_id(n) for n in range(30))]
Row = dict[str, Any]


def feed_of(viewer: int) -> list[str]:
    """Thirty-five videos in an order of the viewer's own."""
    return [video_id(n) for n in np.random.default_rng(viewer).permutation(60)[:35].tolist()]


def served(home: Path, version: str = VERSION) -> Settings:
    """A home whose world has lived for two of five days without feeds, and that serves some."""
    settings = Settings(home=home)
    simulate(
        settings, viewers=VIEWERS, creators=6, videos=VIDEOS, days=5, equals=2, logged_days=2, has_clips=False
    )  # fmt: skip
    with redis_url(settings) as url, FeedStore(url) as store:
        store.begin(version)
        write_feeds(store, version, ((viewer_id(n), slots(feed_of(n))) for n in range(VIEWERS - 1)))
        store.write_fallback(version, slots(FALLBACK))
        store.commit(version, VIEWERS - 1)
    return settings


def slots(videos: list[str]) -> list[Row]:
    return [{"video_id": video, "position": position} for position, video in enumerate(videos)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return served(tmp_path_factory.mktemp("follow"))


@pytest.fixture(scope="module")
def day(home: Settings) -> Lived:
    return live(home)


def impressions(day: Lived) -> dict[str, list[Row]]:
    """Those of each viewer in the order of time, without repeats and without what was broken on its way."""
    rows: dict[str, Row] = {}
    for line in (line for path in day.report.event_files for line in path.read_bytes().splitlines()):
        if line.startswith(b'{"event_id":"s-') and line.endswith(b"}"):
            row = json.loads(line)
            if row["event_type"] == "impression" and row["video_id"] != "clip-gone":
                rows[row["event_id"]] = row
    found = defaultdict(list)
    for row in sorted(rows.values(), key=lambda row: (row["event_at"], row["position"])):
        found[row["user_id"]].append(row)
    return found


def test_each_impression_is_of_the_video_that_stands_at_its_place_in_the_feed_that_was_served(day: Lived) -> None:
    shown = impressions(day)
    assert sum(map(len, shown.values())) == day.report.impressions > 200
    for viewer, rows in shown.items():
        feed = FALLBACK if viewer == STRANGER else feed_of(int(viewer[-4:]))
        assert {row["feed_version"] for row in rows} == {VERSION}
        assert all(feed[row["position"]] == row["video_id"] for row in rows)


def test_a_later_session_goes_on_where_the_one_before_it_ended(day: Lived) -> None:
    shown = {viewer: rows for viewer, rows in impressions(day).items() if viewer != STRANGER}
    assert all([row["position"] for row in rows] == list(range(len(rows))) for rows in shown.values())
    # Of the 35 slots, five are left when a fourth session would begin.
    assert {len(rows) for rows in shown.values()} >= {10, 20}


def test_the_day_is_the_one_after_the_night_of_the_feeds_and_brings_the_uploads_of_that_day(day: Lived) -> None:
    assert day.report.first_day == day.report.last_day == date(2026, 1, 7)
    uploads = [json.loads(line) for path in day.report.manifests for line in path.read_bytes().splitlines()]
    assert uploads and {row["uploaded_at"][:10] for row in uploads} == {"2026-01-07"}
    assert {row["media_file"] for row in uploads} == {None}


def test_the_same_feeds_give_the_same_events(home: Settings, day: Lived, tmp_path: Path) -> None:
    def content(lived: Lived) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in lived.report.event_files}

    assert content(live(home)) == content(day)
    assert content(live(served(tmp_path))) == content(day)


@pytest.mark.parametrize("version", ["20260105.item_item_order", "20260109.item_item_order"])
def test_a_day_that_was_lived_without_feeds_or_that_the_world_does_not_have_is_refused(
    version: str, tmp_path: Path
) -> None:
    with pytest.raises(NotThatDay, match="from 2026-01-07 to 2026-01-09"):
        live(served(tmp_path, version))


def test_a_home_without_a_world_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoWorldHere, match="holds no simulated world"):
        live(Settings(home=tmp_path))


def test_equal_creators_upload_the_same_at_nearly_the_same_time_and_nobody_likes_one_more() -> None:
    world = make_world(seed=3, viewers=50, creators=9, videos=300, days=10, first_day=BEFORE, equals=3)
    of_creator = [np.flatnonzero(world.creator == number) for number in (6, 7, 8)]
    assert [len(made) for made in of_creator] == [50, 50, 50]  # every second of 100 lots
    liking = [world.liking(4)[:, made] for made in of_creator]
    assert np.array_equal(liking[0], liking[1]) and np.array_equal(liking[0], liking[2])
    # Neighbours in time, and each of the three is the first of them about as often.
    assert np.array_equal(np.sort(np.stack(of_creator, axis=1), axis=1), lots(world))
    assert np.bincount(world.creator[lots(world)[:, 0]] - 6, minlength=3).min() > 8
