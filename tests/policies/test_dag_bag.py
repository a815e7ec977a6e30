"""Policies over all Airflow DAGs: what each must hold, whatever jobs there are."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest

from dags.purpose import note, purpose
from jobs import submit
from jobs.engine.cadence import PIPELINES
from jobs.engine.window import Window
from jobs.pipeline import JOBS
from jobs.settings import REPOSITORY

DAGS = REPOSITORY / "dags"
# Each takes a second or more to import, and a DAG file is imported every few minutes and by every task.
HEAVY = {"feast", "great_expectations", "lightgbm", "dagster", "pandas", "scipy", "av", "ffmpeg", "redis", "duckdb"}
RUNS = {f"reelmill_{name}": cadences for name, cadences in PIPELINES.items()}

MARCH_1 = Window.of_day(date(2026, 3, 1))

Facts = dict[str, Any]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """What a process of its own, without our fixtures, finds in the DAG folder."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    script = Path(__file__).with_name("dag_facts.py")
    done = subprocess.run(
        [sys.executable, script, DAGS], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: Facts = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def tasks(facts: Facts) -> dict[str, Facts]:
    """Every task of every DAG, by `dag.job`."""
    return {f"{name}:{task}": told for name, dag in facts["dags"].items() for task, told in dag["tasks"].items()}


def test_every_dag_file_imports_without_an_error(facts: Facts) -> None:
    assert facts["errors"] == {}


def test_each_file_holds_the_one_dag_that_it_is_named_for(facts: Facts) -> None:
    assert {file: found["dags"] for file, found in facts["files"].items()} == {f"{dag}.py": [dag] for dag in RUNS}


def test_airflow_finds_no_dag_anywhere_else_in_the_folder(facts: Facts) -> None:
    assert {name: dag["file"] for name, dag in facts["dags"].items()} == {dag: f"{dag}.py" for dag in RUNS}


@pytest.mark.timed
def test_a_dag_file_costs_less_than_importing_airflow(facts: Facts) -> None:
    # Half of it as a rule, about a second; seconds alone would say how slow the machine is today.
    most = facts["airflow_cpu_seconds"]
    assert {file: found["cpu_seconds"] for file, found in facts["files"].items() if found["cpu_seconds"] > most} == {}


def test_parsing_a_dag_file_imports_nothing_heavy(facts: Facts) -> None:
    imported = {file: {m.split(".")[0] for m in found["modules"]} & HEAVY for file, found in facts["files"].items()}
    assert imported == {file: set() for file in imported}


@pytest.mark.parametrize("dag", sorted(RUNS))
def test_a_dag_runs_exactly_the_jobs_of_its_pipeline(facts: Facts, dag: str) -> None:
    assert set(facts["dags"][dag]["tasks"]) == {job.name for job in JOBS.values() if job.every in RUNS[dag]}


def test_every_job_is_in_some_dag(facts: Facts) -> None:
    assert {task for dag in facts["dags"].values() for task in dag["tasks"]} == set(JOBS)


def test_a_dag_runs_once_at_a_time_and_does_not_catch_up_by_itself(facts: Facts) -> None:
    assert {(dag["max_active_runs"], dag["catchup"]) for dag in facts["dags"].values()} == {(1, False)}


def test_every_dag_says_what_it_is_for_and_what_to_do_when_it_is_red(facts: Facts) -> None:
    assert [name for name, dag in facts["dags"].items() if len(dag["doc"] or "") < 100] == []


def test_every_task_has_an_owner_retries_and_a_timeout(tasks: dict[str, Facts]) -> None:
    lacking = [name for name, t in tasks.items() if t["owner"] != "data-team" or not t["retries"] or not t["timeout_s"]]
    assert lacking == []


def test_every_task_is_of_one_kind_with_the_documentation_of_its_job(tasks: dict[str, Facts]) -> None:
    assert {t["type"] for t in tasks.values()} == {"JobOperator"}
    assert {name: t["doc"] for name, t in tasks.items()} == {name: JOBS[name.split(":")[1]].doc for name in tasks}


def test_a_task_reads_and_writes_the_assets_named_like_the_tables_of_its_job(tasks: dict[str, Facts]) -> None:
    for name, task in tasks.items():
        job = JOBS[name.split(":")[1]]
        assert (task["inlets"], task["outlets"]) == (sorted(job.reads), sorted(job.writes)), name


def test_a_task_waits_for_the_tasks_that_write_what_it_reads(facts: Facts) -> None:
    for dag in facts["dags"].values():
        for name, task in dag["tasks"].items():
            writers = {n for n, other in dag["tasks"].items() if set(other["outlets"]) & set(task["inlets"])} - {name}
            assert set(task["upstream"]) == writers | set(dag["gates"]), name


def test_a_dag_without_daily_jobs_asks_first_whether_any_has_something_to_do(facts: Facts) -> None:
    asking = {name for name, dag in facts["dags"].items() if dag["gates"]}
    assert asking == {"reelmill_ingest", "reelmill_hourly"}
    for dag in asking:
        (gate,) = facts["dags"][dag]["gates"].values()
        assert (gate["owner"], gate["upstream"]) == ("data-team", []) and gate["timeout_s"] and gate["doc"]


def test_a_job_has_the_same_pool_in_every_dag_and_shares_it_with_media_jobs_only(tasks: dict[str, Facts]) -> None:
    pools = {(name.split(":")[1], task["pool"]) for name, task in tasks.items()}
    assert pools == {(job, "media" if job.startswith("media.") else job) for job in JOBS}


def test_each_table_has_one_deadline_on_the_dag_of_its_jobs_cadence(facts: Facts) -> None:
    found = {(name, table) for name, dag in facts["dags"].items() for table in dag["deadlines"]}
    owners = {cadences[-1]: name for name, cadences in RUNS.items()}
    assert found == {(owners[job.every], table) for job in JOBS.values() for table in job.writes}


def test_a_task_that_is_skipped_holds_up_none_that_waits_for_it_but_a_gate_holds_up_all(facts: Facts) -> None:
    for dag in facts["dags"].values():
        rule = "none_failed_min_one_success" if dag["gates"] else "none_failed"
        assert {task["trigger_rule"] for task in dag["tasks"].values()} == {rule}


def test_the_application_that_a_task_submits_exists(tasks: dict[str, Facts]) -> None:
    assert all(Path(task["application"]).is_file() for task in tasks.values())


def test_where_spark_runs_and_how_is_left_to_the_connection(tasks: dict[str, Facts]) -> None:
    assert [name for name, task in tasks.items() if task["conf"]] == []


def test_a_scheduled_or_backfilled_run_works_on_the_day_of_its_logical_date(tasks: dict[str, Facts]) -> None:
    for kind in ("scheduled", "backfill"):
        # The form of a backfill sends one day for all its runs.
        at = datetime(2026, 3, 1, 2, tzinfo=UTC)
        assert window_of(tasks, "nightly:features.users", kind, {"day": "2020-01-01"}, at) == MARCH_1


def test_an_hourly_job_of_the_hourly_dag_gets_the_hour_before(tasks: dict[str, Facts]) -> None:
    due = datetime(2026, 3, 1, 10, 2, tzinfo=UTC)
    window = window_of(tasks, "hourly:features.hourly_videos", "scheduled", None, due - timedelta(hours=1))
    assert str(window) == "[2026-03-01T09:00, 2026-03-01T10:00)"


def test_a_five_minute_job_gets_the_five_minutes_of_the_logical_date(tasks: dict[str, Facts]) -> None:
    window = window_of(tasks, "ingest:events.ingest", "scheduled", None, datetime(2026, 3, 1, 9, 55, tzinfo=UTC))
    assert str(window) == "[2026-03-01T09:55, 2026-03-01T10:00)"


def test_a_run_by_hand_works_on_the_day_that_was_asked_for_else_on_its_logical_date(tasks: dict[str, Facts]) -> None:
    now = datetime(2026, 3, 1, 2, tzinfo=UTC)
    users = "nightly:features.users"
    assert window_of(tasks, users, "manual", {"day": "2026-02-20"}, now) == Window.of_day(date(2026, 2, 20))
    assert window_of(tasks, users, "manual", None, now) == MARCH_1
    assert window_of(tasks, users, "manual", None, None, "2026-02-27") == Window.of_day(date(2026, 2, 27))


def test_a_dag_that_works_by_the_day_asks_for_the_day_and_proposes_one_that_is_over(facts: Facts) -> None:
    proposed = {name: dag["params"].get("day") for name, dag in facts["dags"].items()}
    assert {name for name, day in proposed.items() if day} == {"reelmill_daily", "reelmill_nightly"}
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    assert proposed["reelmill_nightly"] in (f"{yesterday}", f"{yesterday - timedelta(days=1)}")


def test_a_run_notes_the_day_or_the_instant_that_it_works_for() -> None:
    at = datetime(2026, 3, 1, 9, 55, tzinfo=UTC)
    run = SimpleNamespace(run_type="scheduled", conf=None, logical_date=at, run_after=at)
    by_hand = SimpleNamespace(run_type="manual", conf={"day": "2026-02-20"}, logical_date=at, run_after=at)
    assert note(run, {"day": "2026-03-05"}) == "Works for 2026-03-01 (UTC)."
    assert note(run, {}) == "Works for 2026-03-01 09:55 (UTC)."
    assert note(by_hand, {}) == "Works for 2026-02-20 (UTC)."


def window_of(
    tasks: dict[str, Facts], task: str, kind: str, conf: dict[str, str] | None, at: datetime | None, day: str = ""
) -> Window:
    """The window that the job of a task gets."""
    due = datetime(2026, 3, 1, 15, tzinfo=UTC)
    run = SimpleNamespace(run_type=kind, conf=conf, logical_date=at, run_after=due)
    context = {"dag_run": run, "params": {"day": day}, "ti": SimpleNamespace(id="an attempt"), "purpose": purpose}
    return submit.asked(rendered(tasks[f"reelmill_{task}"], context))[1]


def rendered(task: Facts, context: Mapping[str, object]) -> list[str]:
    """The arguments as Airflow's templates would fill them in."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)
    return [environment.from_string(argument).render(**context) for argument in task["arguments"]]
