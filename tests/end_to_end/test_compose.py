"""The containers of docker-compose.yml, brought up from nothing and used as people use them; none is left behind.

`make compose-test` runs it on a machine with Docker: it builds the images, takes long, and prints a table of its steps.
KEEP=yes leaves the containers of a test that failed for a look. What the compose file promises of each container is a
policy of the suite's (tests/policies/test_containers.py).
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import httpx
import imageio_ffmpeg
import pytest

import data_contracts
from jobs.pipeline import JOBS, jobs_of
from serving.feed_store.layout import night_of
from tests.airflow import follow
from tests.conftest import NEWEST_DAY
from tests.end_to_end.stack import Stack
from tests.steps import Steps, wait

pytestmark = pytest.mark.compose

# It ends with NEWEST_DAY.
WORLD = ("--viewers", "60", "--creators", "8", "--videos", "40", "--days", "6")
VIEWER = "viewer-0000"
EVENTS = 5
NIGHT = "/api/v2/dags/reelmill_nightly"
NIGHT_PATIENCE_S = 3600.0
# The jobs that wait for no other.
FIRST = ("events.ingest", "media.ingest")
# What a job may be for a while that lost its worker, or that a busy machine did not let begin.
MAY_BE = {"up_for_retry"}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Nothing of an earlier test, and nothing afterwards."""
    made = Stack(tmp_path)
    made.compose("down", "--volumes", "--remove-orphans")
    try:
        yield made
    finally:
        if made.has_failed and (KEEP := os.environ.get("KEEP")):
            print("kept, as KEEP says:", KEEP, made.url, file=sys.stderr)
        else:
            made.compose("down", "--volumes", "--remove-orphans")
            assert made.left() == []


class Edge:
    """What a client sees: all of it through the edge."""

    def __init__(self, stack: Stack) -> None:
        self.http = httpx.Client(base_url=stack.url["EDGE"], timeout=30)

    def card(self, video: str) -> httpx.Response:
        """What the endpoint says of a video now: the edge keeps an answer by its whole address."""
        return self.http.get(f"/v1/videos/{video}", params={"now": time.monotonic_ns()})

    def feed(self) -> dict[str, Any]:
        """The viewer's feed, as much of it as one page shows, without the cursor, which is another each time."""
        page: dict[str, Any] = self.http.get(f"/v1/feed/{VIEWER}", params={"limit": 50}).raise_for_status().json()
        del page["next_cursor"]
        return page

    def play(self, master: str) -> int:
        """What a player does: the first rung of a master playlist, and its first segment; the bytes that it got."""
        playlist = self.http.get(master).raise_for_status()
        assert playlist.text.startswith("#EXTM3U")
        rung = urljoin(master, first_of(playlist.text))
        segment = self.http.get(urljoin(rung, first_of(self.http.get(rung).raise_for_status().text)))
        return len(segment.raise_for_status().content)


def first_of(playlist: str) -> str:
    """The first address in a playlist."""
    return next(line for line in playlist.splitlines() if line and not line.startswith("#"))


def clip(place: Path) -> bytes:
    """Three seconds with sound."""
    path = place / "clip.mp4"
    draw = "-f lavfi -i testsrc2=size=360x640:rate=30:duration=3 -f lavfi -i sine=duration=3 -pix_fmt yuv420p -shortest"
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *draw.split(), path], check=True)
    return path.read_bytes()


def test_the_containers_publish_learn_serve_recover_and_keep_what_they_have(stack: Stack, tmp_path: Path) -> None:
    step = Steps()
    edge = Edge(stack)
    try:
        with step("build the images"):
            stack.compose("build", "--quiet")
        with step("bring everything up from nothing, until all are healthy") as noted:
            stack.up()
            noted.append(f"{len(stack.containers())} containers")
        video = publish(stack, edge, tmp_path, step)
        night = learn(stack, step)
        feed = watch(stack, edge, step)
        look(stack, night, step)
        lose_and_find(stack, edge, video, feed, night, step)
        stack.has_failed = False
    finally:
        step.show()


def publish(stack: Stack, edge: Edge, place: Path, step: Steps) -> dict[str, Any]:
    """Upload a clip, play it and send events of it; the video that it became. Hand over a small world after it."""
    with step("upload a clip; the workers without a network publish it") as noted:
        keep = "cat > /tmp/clip.mp4 && reelmill upload /tmp/clip.mp4 --user ann --title Mine --land-only"
        stack.within("media", "sh", "-c", keep, given=clip(place))
        wait(lambda: bool(mine(stack)), 300, lambda: stack.compose("logs", "--tail", "30", "media"))
        (video,) = mine(stack)
        assert video["status"] == "published", video
        noted.append(f"video {video['video_id']}")
    with step("play it through the edge, twice") as noted:
        wait(lambda: edge.card(video["video_id"]).is_success, 60, lambda: edge.card(video["video_id"]).text)
        path = f"/media/{video['playback_path']}"
        first, second = edge.http.get(path).raise_for_status(), edge.http.get(path).raise_for_status()
        assert second.text == first.text and second.headers["X-Cache"] == "HIT"
        noted.append(f"X-Cache {first.headers['X-Cache']}, then {second.headers['X-Cache']}")
        noted.append(f"a segment of {edge.play(path):,} bytes")
        assert edge.http.get("/metrics").status_code == 404
    with step("send events through the edge"):
        view = {"user_id": VIEWER, "video_id": video["video_id"], "event_type": "view", "watch_ms": 2500}
        view["event_at"] = datetime.now(UTC).isoformat()
        receipt = edge.http.post("/v1/events", json=[{**view, "event_id": f"e-{n}"} for n in range(EVENTS)])
        assert receipt.status_code == 202 and len(receipt.json()["accepted"]) == EVENTS
    with step("hand over a simulated world, with its clips"):
        stack.within("airflow-scheduler", "reelmill", "simulate", "world", *WORLD)
    return video


def mine(stack: Stack) -> list[dict[str, Any]]:
    """The video that was uploaded, once it is one."""
    tables = stack.within("media", "reelmill", "tables", "--json")
    if '"silver.videos"' not in tables:
        return []
    return stack.query("SELECT video_id, status, playback_path FROM silver.videos WHERE title = 'Mine'")


def learn(stack: Stack, step: Steps) -> str:
    """Run the night by Airflow on the container cluster, and lose a worker in its first job; the run's address."""
    airflow, states = stack.airflow(), dict[str, str]()
    with step("begin the nightly DAG over REST; kill a worker in its first jobs") as noted:
        wait(lambda: airflow.get(NIGHT).is_success, 180, lambda: airflow.get("/api/v2/importErrors").text)
        airflow.patch(NIGHT, json={"is_paused": False}).raise_for_status()
        asked = {"logical_date": None, "conf": {"day": str(NEWEST_DAY)}}
        run = airflow.post(f"{NIGHT}/dagRuns", json=asked).raise_for_status().json()
        night = f"{NIGHT}/dagRuns/{quote(run['dag_run_id'])}"

        def successes() -> int:
            states.update(follow(airflow, night, states, MAY_BE))
            return list(states.values()).count("success")

        wait(lambda: bool(stack.at_work()), 300, lambda: states)
        stack.kill(killed := stack.at_work()[0])
        wait(lambda: successes() >= len(FIRST) and all(states[job] == "success" for job in FIRST), 900, lambda: states)
        wait(lambda: stack.workers() == 2 and not stack.unhealthy(), 180, stack.unhealthy)
        noted.append(f"{killed}; {' and '.join(FIRST)} end well, and there are two workers again")
    with step("the rest of the night, until all its jobs are green") as noted:
        wait(lambda: successes() == len(jobs_of("nightly")), NIGHT_PATIENCE_S, lambda: states)
        (events,) = stack.query("SELECT count(*) AS n FROM bronze.events WHERE event_id LIKE 'e-%'")
        assert events["n"] == EVENTS
        tasks = airflow.get(f"{night}/taskInstances").raise_for_status().json()["task_instances"]
        seconds = sorted(task["duration"] for task in tasks)
        again = sum(task["try_number"] > 1 for task in tasks)
        noted.append(
            f"{len(tasks)} jobs, of {seconds[0]:.0f} to {seconds[-1]:.0f} s; {again} of them at a second attempt"
        )
    # By unpausing, its schedule has begun.
    airflow.patch(NIGHT, json={"is_paused": True}).raise_for_status()
    return night


def watch(stack: Stack, edge: Edge, step: Steps) -> dict[str, Any]:
    """Fetch the feed that the night has made for a viewer, and play what it shows first."""
    with step("fetch a viewer's feed of that night through the edge, and play of it") as noted:
        feed = edge.feed()
        assert not feed["is_fallback"] and night_of(feed["feed_version"]) == NEWEST_DAY
        of_viewer = f"WHERE user_id = '{VIEWER}' ORDER BY position LIMIT 50"
        slots = stack.query(f"SELECT video_id, reason FROM gold.feeds {of_viewer}")
        assert [{name: item[name] for name in ("video_id", "reason")} for item in feed["items"]] == slots != []
        assert all(item["reason"] for item in feed["items"])
        played = next(item for item in feed["items"] if item["playback_url"])
        size = edge.play(played["playback_url"])
        reasons = sorted({item["reason"] for item in feed["items"]})
        noted.append(f"{len(slots)} items by {', '.join(reasons)}; {played['video_id']} plays, {size:,} bytes")
    return feed


def look(stack: Stack, night: str, step: Steps) -> None:
    """See the night's tables in Dagster, and what was asked of the endpoint in Prometheus."""
    with step("see the assets and the night's materialisations in Dagster") as noted:
        names = {*data_contracts.tables(), *(job.name for job in JOBS.values() if not job.writes)}
        assert set(stack.assets()) == names
        (built,) = stack.query("SELECT run_id FROM ops.job_runs WHERE job = 'feeds.build' AND status = 'succeeded'")

        def has_feeds() -> bool:
            made = stack.assets()["gold.feeds"]
            return made is not None and made["run_id"] == built["run_id"] and made["partition"] == str(NEWEST_DAY)

        wait(has_feeds, 300, stack.assets)
        written = [table for job in jobs_of("nightly") for table in job.writes]
        wait(lambda: all(stack.assets()[table] for table in written), 300, stack.assets)
        noted.append(f"{len(names)} assets, a materialisation of each of {len(written)} tables of the night")
    with step("see what was asked of the endpoint in Prometheus") as noted:
        asked = "reelmill_request_seconds_count{route='/v1/feed/{user_id}',status='200'}"
        wait(lambda: stack.figure(asked) > 0, 60, lambda: stack.figure("up{job='endpoint'}"))
        wait(lambda: stack.figure("sum(reelmill_events_total)") == EVENTS, 60, lambda: "no events")
        noted.append(f"up {stack.figure('up'):g}, {stack.figure(asked):g} feeds, {EVENTS} events")


def lose_and_find(
    stack: Stack, edge: Edge, video: dict[str, Any], feed: dict[str, Any], night: str, step: Steps
) -> None:
    """Kill Redis, then remove all containers: what there was is there again."""
    card, path = edge.card(video["video_id"]).json(), f"/media/{video['playback_path']}"
    playlist = edge.http.get(path).text
    with step("kill Redis: the same card and the same feed come back"):
        stack.kill("redis")
        wait(lambda: edge.card(video["video_id"]).is_success, 120, stack.unhealthy)
        assert edge.card(video["video_id"]).json() == card and edge.feed() == feed
    with step("remove all containers, bring them up again, and find the data") as noted:
        stack.compose("down")
        stack.up()
        assert mine(stack) == [video] and edge.http.get(path).text == playlist
        assert edge.card(video["video_id"]).json() == card and edge.feed() == feed
        assert stack.airflow().get(night).json()["state"] == "success"
        made = stack.assets()["gold.feeds"]
        assert made is not None and made["partition"] == str(NEWEST_DAY)
        noted.append("video, card, feed, the run in Airflow, the materialisation in Dagster")
