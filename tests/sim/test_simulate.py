"""The simulated world reaches the platform as clients' files do: whole, dirty, and the same on every run."""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import av
import pytest

from jobs.arrivals.handover import OtherDataHere
from jobs.settings import Settings
from jobs.sim.clips import Clip, ClipNotDrawn, clip_of, draw
from jobs.sim.simulate import SimReport, simulate

SMALL: dict[str, Any] = {"viewers": 60, "creators": 6, "videos": 48, "days": 3}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("sim"))


@pytest.fixture(scope="module")
def report(home: Settings) -> SimReport:
    return simulate(home, **SMALL)


def files_of(settings: Settings) -> dict[str, bytes]:
    return {str(p.relative_to(settings.home)): p.read_bytes() for p in settings.home.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_two_homes_with_the_same_seed_hold_the_same_bytes(home: Settings, report: SimReport, tmp_path: Path) -> None:
    other = Settings(home=tmp_path)
    simulate(other, **SMALL)
    assert files_of(other) == files_of(home)


def test_a_second_run_in_the_same_home_draws_nothing_and_changes_nothing(home: Settings, report: SimReport) -> None:
    before = files_of(home)
    again = simulate(home, **SMALL)
    assert again.clips_drawn == 0 and again.events == report.events
    assert files_of(home) == before


def test_a_second_world_in_the_same_home_is_refused(home: Settings, report: SimReport) -> None:
    with pytest.raises(OtherDataHere, match="already holds other data from sim"):
        simulate(home, **{**SMALL, "seed": 8})


def test_every_upload_names_a_file_that_plays(home: Settings, report: SimReport) -> None:
    rows = [json.loads(line) for path in report.manifests for line in path.read_bytes().splitlines()]
    assert len(rows) == report.videos == report.clips_drawn == 48
    rotations, sounds = Counter[int](), Counter[int]()
    for row in rows:
        path = home.landing / row["media_file"]
        assert path.stat().st_size == row["bytes"]
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            assert min(frame.width, frame.height) <= 180
            assert container.duration and 1_400_000 < container.duration < 3_200_000  # microseconds
            rotations[frame.rotation] += 1
            sounds[len(container.streams.audio)] += 1
    assert rotations[0] > len(rows) / 2 and rotations[90] == 2
    assert sounds[1] > len(rows) / 2


def test_every_event_follows_the_upload_of_its_video_and_its_view_follows_the_impression(
    home: Settings, report: SimReport
) -> None:
    uploads = [json.loads(line) for path in report.manifests for line in path.read_bytes().splitlines()]
    published = {row["upload_id"]: datetime.fromisoformat(row["uploaded_at"]) for row in uploads}
    events = {event["event_id"]: event for event in good_events(report)}
    assert len(events) == report.events
    for event in events.values():
        at, received = (datetime.fromisoformat(event[column]) for column in ("event_at", "received_at"))
        assert report.first_day <= at.date() <= report.last_day and at < received
        if event["video_id"] != "clip-gone":
            assert at > published[event["video_id"]]
        if event["event_type"] == "view":
            shown = events.get(event["event_id"].replace("-view", "-impression"))
            assert shown is None or shown["event_at"] < event["event_at"]  # None: astray, under an id of its own
    kinds = Counter(event["event_type"] for event in events.values())
    assert kinds["impression"] == report.impressions and kinds["view"] == report.views
    assert kinds["impression"] > kinds["view"] > kinds["skip"] > kinds["share"] > 0


def test_the_spool_is_as_dirty_as_real_ones(report: SimReport) -> None:
    """Some events come twice, some on a later day than they happened, and some lines are no events at all."""
    lines = [line for path in report.event_files for line in path.read_bytes().splitlines()]
    events = list(good_events(report))
    assert len(lines) == report.lines == len(events) + report.malformed
    assert report.malformed == 2 * SMALL["days"]
    assert len(events) > len({event["event_id"] for event in events})
    assert any(event["event_at"][:10] < event["received_at"][:10] for event in events)


def good_events(report: SimReport) -> list[dict[str, Any]]:
    lines = [line for path in report.event_files for line in path.read_bytes().splitlines()]
    whole = [line for line in lines if line.startswith(b'{"event_id":"s-') and line.endswith(b"}")]
    return [json.loads(line) for line in whole]


@pytest.mark.slow
def test_progress_ends_at_its_total(tmp_path: Path) -> None:
    reported: dict[str, tuple[int, int]] = {}
    simulate(Settings(home=tmp_path), viewers=20, creators=2, videos=40, days=1, progress=into(reported))
    assert set(reported) == {"drawing clips", "simulating days", "writing events"}
    assert all(done == total for done, total in reported.values())


def into(reported: dict[str, tuple[int, int]]) -> Any:
    def report(what: str, done: int, total: int) -> None:
        reported[what] = (done, total)

    return report


@pytest.mark.parametrize("topic", range(10))
def test_the_picture_of_every_topic_can_be_drawn_twice_alike(tmp_path: Path, topic: int) -> None:
    clip = clip_of(7 + topic, topic=topic, creator=topic, sound=topic, duration_ms=500)
    draw(clip, tmp_path / "one.mp4")
    draw(clip, tmp_path / "two.mp4")
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_a_clip_that_ffmpeg_cannot_draw_is_named_with_its_last_words(tmp_path: Path) -> None:
    clip = Clip(number=1, topic=2, hue=0, sound=None, duration_ms=500, size=(0, 0), rotation=0)
    with pytest.raises(ClipNotDrawn, match=r"could not draw one\.mp4: .+"):
        draw(clip, tmp_path / "one.mp4")
    assert list(tmp_path.iterdir()) == []
