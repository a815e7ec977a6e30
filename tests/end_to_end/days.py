"""An Airflow over simulated days: the clock that it goes by, the home into which days arrive, its API and its pages.

Belongs here: what a test does with such an Airflow, and how it sees what Airflow says. What goes wrong on which day:
test_airflow_days.py.
"""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx
import psutil

import data_contracts
from jobs.command.orchestrators import ADMIN, Orchestrator, password
from jobs.engine.query import query, tables
from jobs.settings import Settings
from jobs.sim.simulate import simulate
from tests.airflow import AIRFLOW_PATIENCE_S, BAD, follow, log_of, sign_in
from tests.chromium import Chromium
from tests.steps import wait

DAG = "reelmill_daily"
# After today: what the DAG processor finds to be newer than its last look it parses again, all the time.
FIRST, SECOND, THIRD = (datetime.now(UTC).date() + timedelta(days=n) for n in (1, 2, 3))
# Of dags/reelmill_daily.py: when the run of a day is due, after the midnight that ends it.
DUE = timedelta(days=1, minutes=10)
# How long before a run is due the clock stops: the DAG processor parses all files when the clock is moved, and of a DAG
# that has had no run it takes the next tick from then on.
LEAD = timedelta(minutes=1)
WIDTH = 1280
# Of Airflow's menu, which every page has.
MENU = 66
# Of a page of plain text.
MARGIN = 10
NO_EVENTS, BROKEN = 6, 5


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
        wait(lambda: self.api.get(f"/api/v2/dags/{dag}").is_success, AIRFLOW_PATIENCE_S, lambda: f"never found {dag}")
        self.api.patch(f"/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()

    def run_of(self, due: datetime, kind: str = "scheduled", dag: str = DAG) -> str:
        """The address of the run that is due then, once the scheduler has made it."""
        address = f"/api/v2/dags/{dag}/dagRuns"

        def made() -> list[str]:
            runs = self.api.get(address, params={"limit": 100}).raise_for_status().json()["dag_runs"]
            its = [run for run in runs if datetime.fromisoformat(run["run_after"]) == due]
            return [run["dag_run_id"] for run in its if run["run_type"] == kind]

        (run,) = wait(made, AIRFLOW_PATIENCE_S, lambda: f"no {kind} run of {dag} for {due}")
        return f"{address}/{quote(run)}"

    def night(self, day: date) -> str:
        """All of a day has arrived, and it is ten minutes after it: the address of its run."""
        self.home.clock.move(midnight(day) + DUE - LEAD)
        sign_in(self.api, password(self.home.settings))  # again: a token lasts for a day
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

        def is_so() -> bool:
            return self.states(run, tuple(BAD)).get(task) == state

        wait(is_so, AIRFLOW_PATIENCE_S, lambda: f"{task} was never {state}")

    def ends(self, run: str, in_state: str = "success") -> None:
        def over() -> str | None:
            self.states(run, tuple(BAD))
            state = self.api.get(run).raise_for_status().json()["state"]
            return state if state in ("success", "failed") else None

        assert wait(over, AIRFLOW_PATIENCE_S, lambda: f"{run} goes on") == in_state

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

    process = wait(found, AIRFLOW_PATIENCE_S, lambda: f"{job} never ran")
    assert process is not None
    return process


def driver_of(job: str, settings: Settings) -> psutil.Process:
    """The JVM of the process that runs the job."""
    children = worker_of(job, settings).children(recursive=True)
    return next(child for child in children if child.name() == "java")
