"""A real Airflow, on its own schedule, over three simulated days on which things go wrong.

`make airflow-days` runs it and prints a table of its steps; with PICTURES=yes it also writes those of docs/airflow.md.
The clock of Airflow and of all that it starts is the simulated world's (clock.c): at ten past midnight its scheduler
makes the run of the day that is over, and a deadline of a day passes when the clock is moved on. All else is real.

1. The first day: nothing goes wrong.
2. The second: a poisoned batch arrives, and the kernel kills a job, which Airflow runs again by itself.
3. The third: a job is killed each time that it is tried, until its table is late; a person clears the task.
4. Events of the second day come late, and that day alone is backfilled: only what depends on it changes.
"""

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from jobs.command.orchestrators import airflow
from jobs.engine import late
from jobs.engine.query import query
from jobs.pipeline import WRITERS
from jobs.settings import REPOSITORY
from tests.airflow import AIRFLOW_PATIENCE_S, signed_in
from tests.chromium import chromium
from tests.conftest import UNCOMPILED
from tests.end_to_end.days import (
    BROKEN,
    DAG,
    FIRST,
    NO_EVENTS,
    SECOND,
    THIRD,
    WIDTH,
    Airflow,
    Clock,
    Home,
    Pages,
    driver_of,
    event,
    midnight,
    poison,
    worker_of,
)
from tests.steps import Steps, wait

pytestmark = pytest.mark.days

FEATURES = (
    "gold.user_daily",
    "gold.video_daily",
    "gold.hashtag_daily",
    "gold.creator_daily",
    "gold.user_creators",
    "gold.user_hashtags",
)
PICTURES = REPOSITORY / "docs" / "pictures"
LATE_EVENTS = 4
# A clock that is moved on by a day is no sign of life that failed to come.
PATIENT = {
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "864000",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "864000",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "864000",
}


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """On the evening of the first day."""
    made = Clock(tmp_path)
    made.move(midnight(FIRST) + timedelta(hours=22))
    return made


@pytest.fixture
def home(tmp_path: Path, clock: Clock) -> Home:
    return Home(tmp_path, clock)


@pytest.fixture
def days(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Airflow]:
    """Airflow at the end of the first day. What is started after it goes by its clock, the browser included."""
    small = {"SPARK_MASTER": "local[2]", "SPARK_MEMORY": "1g"}
    environment = {
        **home.clock.environment,
        **PATIENT,
        **{f"REELMILL_{name}": value for name, value in small.items()},
        "JDK_JAVA_OPTIONS": f"{os.environ['JDK_JAVA_OPTIONS']} {UNCOMPILED}",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with airflow(home.settings) as running, signed_in(running, home.settings) as api:
        yield Airflow(running, home, api)


@pytest.fixture
def pages(days: Airflow, tmp_path: Path) -> Iterator[Pages]:
    """Pictures go to the documentation when PICTURES is set."""
    with chromium(f"--window-size={WIDTH},1000", "--lang=en") as window:
        yield Pages(window, days, PICTURES if os.environ.get("PICTURES") else tmp_path)


Start = Callable[..., "subprocess.Popen[str]"]


def test_what_goes_wrong_is_told_and_mended_and_a_backfill_changes_only_what_depends_on_it(
    days: Airflow, pages: Pages, start: Start
) -> None:
    step = Steps()
    try:
        first_day(days, pages, step)
        second_day(days, pages, step, start)
        run = third_day(days, pages, step)
        late_and_cleared(days, run, pages, step, start)
        backfilled(days, pages, step)
    finally:
        step.show()


def first_day(days: Airflow, pages: Pages, step: Steps) -> None:
    with step("the first day, by its schedule") as noted:
        days.unpause(DAG)
        run = days.night(FIRST)
        days.ends(run)
        note = days.api.get(run).json()["note"]
        assert note == f"Works for {FIRST} (UTC)."
        pages.run("note", run, note)
        noted.append(note)


def second_day(days: Airflow, pages: Pages, step: Steps, start: Start) -> None:
    home = days.home
    with step("the second: a poisoned batch arrives, events.watches is killed") as noted:
        home.hand_over("poison", poison(SECOND))
        run = days.night(SECOND)
        worker_of("events.watches", home.settings).kill()
        days.until(run, "events.watches", "up_for_retry")
        said = days.log(run, "events.watches", 1)[-1]
        assert said.startswith("events.watches failed: its process was killed, probably out of memory.")
        assert said.endswith("It is tried again by itself, as attempt 2.")
        sql = "SELECT error FROM ops.job_runs WHERE job = 'events.watches' AND error IS NOT NULL"
        assert [error.split(":")[0] for (error,) in query(sql, home.settings)[1]] == ["JobKilled"]
        pages.run("retried", run, "Up For Retry")
        pages.log("killed", run, "events.watches", 1, "out of memory")
        noted.append(said)
    with step("what the log lists as set aside is found by its SQL") as noted:
        lines = days.log(run, "events.ingest", 1)
        listed = next(line for line in lines if line.startswith("Set aside of bronze.events"))
        command = shlex.split(lines[lines.index(listed) + 1])
        rows = json.loads(output(start(home.settings.home, "query", "--json", *command[2:])))
        rules = [rule for row in rows for rule in row["rules"]]
        assert rules.count("watch_ms_is_plausible") == BROKEN and rules.count("line_is_an_event") >= NO_EVENTS
        pages.log("set-aside", run, "events.ingest", 1, "Set aside of bronze.events")
        noted.append(listed)
    with step("Airflow tries again by itself, and the night ends well") as noted:
        home.clock.move(home.clock.now + timedelta(minutes=2))
        days.ends(run)
        pages.run("recovered", run, "Success")
        noted.append(opening(days.log(run, "events.watches", 2)))


def third_day(days: Airflow, pages: Pages, step: Steps) -> str:
    with step("the third: the driver of features.users is killed three times") as noted:
        run = days.night(THIRD)
        for attempt, state in ((1, "up_for_retry"), (2, "up_for_retry"), (3, "failed")):
            driver_of("features.users", days.home.settings).kill()
            days.until(run, "features.users", state)
            said = days.log(run, "features.users", attempt)[-1]
            assert "Spark's driver was killed while it ran, probably because the machine was out of memory" in said
            if state != "failed":
                days.home.clock.move(days.home.clock.now + attempt * timedelta(minutes=3))
        days.ends(run, "failed")
        assert said.endswith(
            f"clear the task features.users of {DAG} with Downstream: the same window is worked on again."
        )
        # Without the trace of what py4j found, which has the paths of this machine.
        pages.log("failed", run, "features.users", 3, "clear the task", level="error")
        noted.append(said)
    return run


def late_and_cleared(days: Airflow, run: str, pages: Pages, step: Steps, start: Start) -> None:
    settings = days.home.settings
    with step("its deadline passes: the triggerer names the late table") as noted:
        due = late.due("gold.user_daily", WRITERS["gold.user_daily"], settings)
        assert due is not None
        # The five-minute tables are as fresh as on a platform whose five-minute DAG runs.
        days.freshened(due)
        days.home.clock.move(due + timedelta(seconds=5))
        log = settings.home / "logs" / "late.log"
        named = "gold.user_daily is late"
        wait(lambda: log.exists() and named in log.read_text(), AIRFLOW_PATIENCE_S, lambda: "nothing was late")
        (line,) = [line for line in log.read_text().splitlines() if named in line]
        sentence = line.partition(" UTC ")[2]
        assert sentence in days.running.log.read_text()
        process = start(settings.home, "late")
        assert sentence in " ".join(output(process, 3).split())
        pages.deadlines("deadlines", run, "gold.user_daily")
        pages.text("late", log)
        noted.append(sentence)
    with step("a person clears the task; the table is there again") as noted:
        days.clear(run, "features.users")
        days.ends(run)
        assert named not in output(start(settings.home, "late"), 0, 3)
        pages.run("cleared", run, "Success")
        noted.append(opening(days.log(run, "features.users", 4)))


def backfilled(days: Airflow, pages: Pages, step: Steps) -> None:
    home = days.home
    with step("events of the second day come late; that day is backfilled") as noted:
        before = home.by_day()
        home.hand_over("late", [event(n, SECOND) for n in range(LATE_EVENTS)])
        run = days.backfill(SECOND)
        pages.run("backfilled", run, "Backfill")
        changed = differing(before, home.by_day())
        assert changed == {f"{table} {SECOND}" for table in ("bronze.events", "silver.watches", *FEATURES)}
        noted.append(", ".join(sorted(changed)))
    with step("the next night by its schedule does what day three then owed") as noted:
        before = home.by_day()
        days.ends(days.night(THIRD + timedelta(days=1)))
        changed = differing(before, home.by_day())
        assert changed == {f"{table} {THIRD}" for table in FEATURES}
        noted.append(", ".join(sorted(changed)))


def opening(log: list[str]) -> str:
    """The line with which a task begins."""
    return next(line for line in log if " works for " in line)


def differing(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def output(process: "subprocess.Popen[str]", *may_end_with: int) -> str:
    """What a command prints."""
    with process:
        said = process.communicate()[0]
    assert process.returncode in (may_end_with or (0,)), said
    return said
