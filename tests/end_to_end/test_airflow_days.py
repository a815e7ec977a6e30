"""A real Airflow, on its own schedule, over three simulated days on which things go wrong.

`make airflow-days` runs it and prints a table of its steps; with PICTURES=yes it also writes those of docs/airflow.md.
The clock of Airflow and of all that it starts is the simulated world's (clock.c): at ten past midnight its scheduler
makes the run of the day that is over, and a deadline of a day passes when the clock is moved on. All else is real.

1. The first day: nothing goes wrong.
2. The second: a poisoned batch arrives, and the kernel kills a job, which Airflow runs again by itself.
3. The third: a job is killed each time that it is tried, until its table is late; a person clears the task.
4. Events of the second day come late, and that day alone is backfilled: only what depends on it changes.
"""

import hashlib
import json
import os
import shlex
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx
import psutil
import pytest

import data_contracts
from jobs.command.orchestrators import ADMIN, Orchestrator, airflow, password
from jobs.engine import late
from jobs.engine.query import query, tables
from jobs.pipeline import WRITERS
from jobs.settings import REPOSITORY, Settings
from jobs.sim.simulate import simulate
from tests.chromium import Chromium, chromium
from tests.conftest import AIRFLOW_PATIENCE_S, BAD, UNCOMPILED, follow, log_of, sign_in, signed_in

pytestmark = pytest.mark.days

DAG = "reelmill_daily"
# After today: what the DAG processor finds to be newer than its last look it parses again, all the time.
FIRST, SECOND, THIRD = (datetime.now(UTC).date() + timedelta(days=n) for n in (1, 2, 3))
# Of dags/reelmill_daily.py: when the run of a day is due, after the midnight that ends it.
DUE = timedelta(days=1, minutes=10)
FEATURES = ("gold.user_daily", "gold.video_daily", "gold.hashtag_daily")
PICTURES = REPOSITORY / "docs" / "pictures"
# How long before a run is due the clock stops: the DAG processor parses all files when the clock is moved, and of a DAG
# that has had no run it takes the next tick from then on.
LEAD = timedelta(minutes=1)
WIDTH = 1280
# Of Airflow's menu, which every page has.
MENU = 66
# Of a page of plain text.
MARGIN = 10
NO_EVENTS, BROKEN = 6, 5
LATE_EVENTS = 4
# A clock that is moved on by a day is no sign of life that failed to come.
PATIENT = {
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "864000",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "864000",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "864000",
}


class Clock:
    """The time that processes see which are started with `environment`; it goes on, and a test moves it ahead."""

    def __init__(self, place: Path) -> None:
        library, self._file = place / "clock.so", place / "ahead"
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
        self._file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_AHEAD": str(self._file)}

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + struct.unpack("q", self._file.read_bytes())[0], UTC)

    def move(self, to: datetime) -> None:
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", round(to.timestamp() - time.time())))


class Home:
    """The home of that Airflow, into which the days of a world arrive one by one."""

    def __init__(self, place: Path, clock: Clock) -> None:
        self.settings, self.clock, self._place = Settings(home=place / "home"), clock, place
        self._outside = Settings(home=place / "outside")
        simulate(self._outside, viewers=16, creators=4, videos=40, days=3, first_day=FIRST, has_clips=False)
        self.settings.events.mkdir(parents=True)
        self.manifests = self.settings.landing / "manifests"
        self.manifests.mkdir(parents=True)

    def arrive(self, day: date) -> None:
        """Hand over what has arrived from outside by the end of a day, the third at most, and is not there yet."""
        last = str(min(day, THIRD))
        for come, to in (
            (self._outside.landing / "manifests", self.manifests),
            (self._outside.events, self.settings.events),
        ):
            for file in sorted(come.glob("*.jsonl")):
                if file.stem[-len(last) :] <= last:
                    shutil.move(file, to / file.name)
        # Files keep the time of the machine; whether uploads have arrived is asked of the folder's.
        os.utime(self.manifests, times=(self.clock.now.timestamp(),) * 2)

    def hand_over(self, name: str, lines: list[str]) -> None:
        (self.settings.events / f"{name}.jsonl").write_text("".join(line + "\n" for line in lines))

    def by_day(self) -> dict[str, str]:
        """The hash of what each table says, by table and day; of a table without days, of all of it."""
        found: dict[str, str] = {}
        for table in tables(self.settings):
            layer, _, name = table.name.partition(".")
            if layer == "ops":
                continue
            columns = "* EXCLUDE (run_id)" if layer == "quarantine" else "*"
            column = None if layer == "quarantine" else data_contracts.load(table.name).window_column
            day = f"CAST({column} AS DATE)" if column else "NULL"
            sql = f'SELECT CAST({day} AS VARCHAR), CAST(t AS VARCHAR) FROM (SELECT {columns} FROM {layer}."{name}") t'
            rows: dict[str, list[str]] = {}
            for at, row in query(f"{sql} ORDER BY ALL", self.settings)[1]:
                rows.setdefault(f"{table.name} {at}" if at else table.name, []).append(row)
            found |= {key: hashlib.sha256("\n".join(texts).encode()).hexdigest() for key, texts in rows.items()}
        return found


def midnight(day: date) -> datetime:
    """With which the day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def event(number: int, day: date, **changed: Any) -> str:
    """A view as a client sends it."""
    at = midnight(day) + timedelta(hours=12, minutes=number)
    made = {
        "event_id": f"of-the-test-{day}-{number}", "event_type": "view", "user_id": f"viewer-{number:04d}",
        "video_id": "clip-0000", "event_at": at.isoformat(), "session_id": f"late-{number}", "watch_ms": 2000,
        "share_watched": 0.5, "received_at": (at + timedelta(seconds=1)).isoformat(),
    }  # fmt: skip
    return json.dumps({**made, **changed})


def poison(day: date) -> list[str]:
    """Lines that are no events, and events that break rules."""
    no_events = ["<html><body>502 Bad Gateway</body></html>"] * NO_EVENTS
    return no_events + [event(n, day, event_id=f"broken-{n}", watch_ms=-1) for n in range(BROKEN)]


class Airflow:
    """The Airflow that runs, as a person with its API has it."""

    def __init__(self, running: Orchestrator, home: Home, api: httpx.Client) -> None:
        self.running, self.home, self.api = running, home, api
        self._states: dict[str, dict[str, str]] = {}

    def unpause(self, dag: str) -> None:
        wait(lambda: self.api.get(f"/api/v2/dags/{dag}").status_code != httpx.codes.NOT_FOUND, f"never found {dag}")
        self.api.patch(f"/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()

    def run_of(self, due: datetime, kind: str = "scheduled", dag: str = DAG) -> str:
        """The address of the run that is due then, once the scheduler has made it."""
        address = f"/api/v2/dags/{dag}/dagRuns"

        def made() -> list[str]:
            runs = self.api.get(address, params={"limit": 100}).raise_for_status().json()["dag_runs"]
            its = [run for run in runs if datetime.fromisoformat(run["run_after"]) == due]
            return [run["dag_run_id"] for run in its if run["run_type"] == kind]

        (run,) = wait(made, f"no {kind} run of {dag} for {due}")
        return f"{address}/{quote(run)}"

    def night(self, day: date) -> str:
        """All of a day has arrived, and it is ten minutes after it: the address of its run."""
        self.home.clock.move(midnight(day) + DUE - LEAD)
        sign_in(self.api, self.home.settings)  # again: a token lasts for a day
        self.home.arrive(day)
        return self.run_of(midnight(day) + DUE)

    def freshened(self, at: datetime) -> None:
        """Have the five-minute DAG run by its schedule, on the last of its ticks that is five minutes before."""
        due = at - timedelta(minutes=5)
        due -= timedelta(minutes=due.minute % 5, seconds=due.second, microseconds=due.microsecond)
        self.unpause("reelmill_ingest")
        self.home.clock.move(due - LEAD)
        self.ends(self.run_of(due, dag="reelmill_ingest"))
        self.api.patch("/api/v2/dags/reelmill_ingest", json={"is_paused": True}).raise_for_status()

    def clear(self, run: str, task: str) -> None:
        """Clear a failed task of a run with downstream, so that it is run again."""
        asked = {"dag_run_id": unquote(run.rpartition("/")[2]), "task_ids": [task], "include_downstream": True}
        body = {**asked, "only_failed": True, "reset_dag_runs": True, "dry_run": False}
        self.api.post(f"/api/v2/dags/{DAG}/clearTaskInstances", json=body).raise_for_status()

    def backfill(self, day: date) -> str:
        """Run a day again by a backfill of that day; the address of its run."""
        due = midnight(day) + timedelta(days=1)
        asked = {"dag_id": DAG, "from_date": due.isoformat(), "to_date": (due + timedelta(hours=23)).isoformat()}
        body = {**asked, "reprocess_behavior": "completed", "max_active_runs": 1}
        self.api.post("/api/v2/backfills", json=body).raise_for_status()
        run = self.run_of(midnight(day) + DUE, "backfill")
        self.ends(run)
        return run

    def states(self, run: str, may_be: tuple[str, ...] = ()) -> dict[str, str]:
        self._states[run] = follow(self.api, run, self._states.get(run, {}), may_be)
        return self._states[run]

    def until(self, run: str, task: str, state: str) -> None:
        """Wait until a task of a run is in this state."""
        wait(lambda: self.states(run, tuple(BAD)).get(task) == state, f"{task} was never {state}")

    def ends(self, run: str, in_state: str = "success") -> None:
        def over() -> str | None:
            self.states(run, tuple(BAD))
            state = self.api.get(run).raise_for_status().json()["state"]
            return state if state in ("success", "failed") else None

        assert wait(over, f"{run} goes on") == in_state

    def log(self, run: str, task: str, attempt: int) -> list[str]:
        """The lines of the log of an attempt."""
        lines = log_of(self.api, f"{run}/taskInstances/{task}", attempt)
        return [line for line in lines if line and not line.startswith("::")]


class Pages:
    """Airflow's pages in a browser, seen as admin; pictures of them."""

    def __init__(self, window: Chromium, days: Airflow, folder: Path) -> None:
        self.window, self._days, self._folder = window, days, folder

    def show(self, path: str, *texts: str) -> None:
        """Open a page, log in if it asks for that, and wait until it shows these."""
        asks_or_shows = "return document.querySelector('input[name=username]') ? 'asks' : " + (
            "Array.from(arguments).every(text => document.body.innerText.includes(text)) ? 'shows' : ''"
        )
        address = self._days.running.url + path
        self.window.open(address)
        if self.window.wait(asks_or_shows, *texts) == "asks":
            self.window.type("input[name=username]", ADMIN)
            self.window.type("input[name=password]", password(self._days.home.settings))
            self.window.click("button[type=submit]")
            self.window.wait("return !document.querySelector('input[name=username]')")
            self.window.open(address)
            self.window.wait(asks_or_shows, *texts)

    def run(self, picture: str, run: str, *texts: str) -> None:
        """A run's page, with the grid beside it."""
        self.show(page(run), *texts)
        self.keep(picture, 660)

    def log(self, picture: str, run: str, task: str, attempt: int, *texts: str, level: str = "") -> None:
        """The log of an attempt at a task, or its lines of a level."""
        self.show(f"{page(run)}/tasks/{task}?try_number={attempt}{level and f'&log_level={level}'}", *texts)
        # Airflow unfolds the trace of an exception between the task's own lines.
        self.window.run("document.querySelectorAll('details[open] > summary').forEach(one => one.click())")
        self.keep(picture, 760)

    def deadlines(self, picture: str, run: str, table: str) -> None:
        """What a click on a run's missed deadlines opens."""
        self.show(page(run), "Missed Deadline")
        self.window.run(
            "const found = Array.from(document.querySelectorAll('*')).filter("
            "one => (one.innerText || '').includes('Missed Deadline')); found[found.length - 1].click()"
        )
        self.window.see(table)
        self.keep(picture, 480)

    def text(self, picture: str, file: Path) -> None:
        """A file of text, with long lines wrapped."""
        self.window.open(file.as_uri())
        height = self.window.run(
            "const lines = document.querySelector('pre');"
            "lines.style.whiteSpace = 'pre-wrap'; lines.style.fontSize = '15px'; return lines.offsetHeight"
        )
        self.keep(picture, height + 2 * MARGIN, left=0)

    def keep(self, picture: str, height: int, left: int = MENU) -> None:
        """The top of the window, once nothing fades in."""
        time.sleep(2)
        self.window.keep(self._folder / f"{picture}.png", left, 0, WIDTH - left, height)
        # A page of Airflow's asks for news every few seconds.
        self.window.open("about:blank")


def page(run: str) -> str:
    """Where the page of a run is, by its address in the API."""
    return run.removeprefix("/api/v2").replace("/dagRuns/", "/runs/")


def wait(what: Callable[[], Any], why: str, every: float = 1.0) -> Any:
    """What it finds, as soon as it finds anything."""
    until = time.monotonic() + AIRFLOW_PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < until, why
        time.sleep(every)
    return found


def worker_of(job: str, settings: Settings) -> psutil.Process:
    """The process that runs the job: it has the job's lock."""
    lock = str(settings.home / "locks" / f"{job}.lock")

    def found() -> psutil.Process | None:
        for process in psutil.process_iter():
            try:
                if "jobs.submit" in process.cmdline() and lock in [file.path for file in process.open_files()]:
                    return process
            except psutil.Error:
                continue
        return None

    process: psutil.Process = wait(found, f"{job} never ran", every=0.5)
    return process


def driver_of(job: str, settings: Settings) -> psutil.Process:
    """The JVM of the process that runs the job."""
    children = worker_of(job, settings).children(recursive=True)
    return next(child for child in children if child.name() == "java")


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


Step = Callable[[str], Any]
Start = Callable[..., "subprocess.Popen[str]"]


def test_what_goes_wrong_is_told_and_mended_and_a_backfill_changes_only_what_depends_on_it(
    days: Airflow, pages: Pages, start: Start
) -> None:
    table: list[tuple[str, float, str]] = []

    @contextmanager
    def step(name: str) -> Iterator[list[str]]:
        noted: list[str] = []
        print(f"{datetime.now():%H:%M:%S} {name}", file=sys.stderr, flush=True)
        began = time.monotonic()
        yield noted
        table.append((name, time.monotonic() - began, "; ".join(noted)))

    try:
        first_day(days, pages, step)
        second_day(days, pages, step, start)
        run = third_day(days, pages, step)
        late_and_cleared(days, run, pages, step, start)
        backfilled(days, pages, step)
    finally:
        print(*(f"{seconds:7.1f} s  {name:<64} {noted}" for name, seconds, noted in table), sep="\n")


def first_day(days: Airflow, pages: Pages, step: Step) -> None:
    with step("the first day, by its schedule") as noted:
        days.unpause(DAG)
        run = days.night(FIRST)
        days.ends(run)
        note = days.api.get(run).json()["note"]
        assert note == f"Works for {FIRST} (UTC)."
        pages.run("note", run, note)
        noted.append(note)


def second_day(days: Airflow, pages: Pages, step: Step, start: Start) -> None:
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


def third_day(days: Airflow, pages: Pages, step: Step) -> str:
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


def late_and_cleared(days: Airflow, run: str, pages: Pages, step: Step, start: Start) -> None:
    settings = days.home.settings
    with step("its deadline passes: the triggerer names the late table") as noted:
        due = late.due("gold.user_daily", WRITERS["gold.user_daily"], settings)
        assert due is not None
        # The five-minute tables are as fresh as on a platform whose five-minute DAG runs.
        days.freshened(due)
        days.home.clock.move(due + timedelta(seconds=5))
        log = settings.home / "logs" / "late.log"
        wait(lambda: log.exists() and "gold.user_daily is late" in log.read_text(), "nothing was late")
        (line,) = [line for line in log.read_text().splitlines() if "gold.user_daily is late" in line]
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
        assert "gold.user_daily is late" not in output(start(settings.home, "late"), 0, 3)
        pages.run("cleared", run, "Success")
        noted.append(opening(days.log(run, "features.users", 4)))


def backfilled(days: Airflow, pages: Pages, step: Step) -> None:
    home = days.home
    with step("events of the second day come late; that day is backfilled") as noted:
        before = home.by_day()
        home.hand_over("late", [event(n, SECOND) for n in range(LATE_EVENTS)])
        run = days.backfill(SECOND)
        pages.run("backfilled", run, "Backfill")
        changed = differing(before, home.by_day())
        assert changed == {
            f"{table} {SECOND}"
            for table in (
                "bronze.events",
                "silver.watches",
                "gold.user_daily",
                "gold.video_daily",
                "gold.hashtag_daily",
            )
        }
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
