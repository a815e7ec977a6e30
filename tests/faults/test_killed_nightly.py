"""kill -9 at random moments of the nightly pipeline: the re-run ends with the tables and feeds of a calm night.

`make crash` runs it, since each kill costs up to a minute and a half. KILLS says how many there are; their
moments are drawn anew each time and printed, since a fixed list would stop finding anything. Of single jobs that are
killed between their commits there are tests beside them, which the suite runs.
"""

import os
import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from jobs.command.endpoint import served
from jobs.command.progress import run_pipeline
from jobs.engine.query import query
from jobs.settings import Settings

KILLS = int(os.environ.get("KILLS", "1"))


def first_pages(home: Path) -> dict[str, object]:
    """What ten people see first, as served."""
    settings = Settings(home=home)
    people = [row[0] for row in query("SELECT DISTINCT user_id FROM gold.feeds ORDER BY 1 LIMIT 10", settings)[1]]
    with served(settings) as url:
        return {person: httpx.get(f"{url}/v1/feed/{person}").raise_for_status().json()["items"] for person in people}


@pytest.mark.crash
@pytest.mark.usefixtures("spark")
def test_a_pipeline_killed_at_random_ends_as_an_undisturbed_one(
    night: Path,
    fresh_world: Callable[[str], Path],
    start: Callable[..., "subprocess.Popen[str]"],
    content: Callable[[Path], dict[str, str]],
) -> None:
    home = fresh_world("killed")
    (undisturbed,) = query(
        # Other tests run further nights in that home.
        "SELECT max(epoch(started_at) + seconds) - min(epoch(started_at)) FROM (SELECT * FROM ops.job_runs "
        "QUALIFY row_number() OVER (PARTITION BY job ORDER BY started_at) = 1)",
        Settings(home=night),
    )[1][0]
    moments: list[float] = []
    while len(moments) < KILLS:
        moment = random.uniform(3, 10 + undisturbed)
        with start(home, "pipeline", "nightly") as pipeline:
            try:
                said, _ = pipeline.communicate(timeout=moment)
                assert pipeline.returncode == 0, said
                continue  # it was quicker, and nothing was killed
            except subprocess.TimeoutExpired:
                # Either the runner alone, whose JVM then finds its pipe closed, or everything in the same instant.
                kill = random.choice((os.kill, os.killpg))
                kill(pipeline.pid, signal.SIGKILL)
                said, _ = pipeline.communicate()
        moments.append(moment)
        print(f"{kill.__name__} after {moment:.1f} s, when it had said: {said.strip().splitlines()[-1:]}")
    run_pipeline("nightly", None, Settings(home=home))
    assert content(home) == content(night), f"killed after {moments} s"
    assert first_pages(home) == first_pages(night)
