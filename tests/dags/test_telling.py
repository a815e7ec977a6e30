"""What a task says when it fails, and whether Airflow tries it again."""

import json
import os
import subprocess
import sys
from operator import itemgetter
from typing import Any

import pytest

from jobs.command.orchestrators import airflow_environment
from jobs.settings import REPOSITORY, Settings

# In a process of its own: importing Airflow takes seconds, rewires logging and writes into AIRFLOW_HOME.
SENTENCES = """
import json
from datetime import timedelta
from types import SimpleNamespace
from airflow.sdk.exceptions import AirflowException, AirflowTaskTimeout
from dags.telling import TaskFailedForGood, failure
from jobs.host.warm import WorkFailed, WorkFailedForGood
from jobs.submit import JobKilled

errors = {
    "mends itself": WorkFailed("The disk is full."),
    "lasts": WorkFailedForGood("The batch breaks a rule."),
    "killed": JobKilled("a.job"),
    "killed by the kernel": AirflowException("Cannot execute: spark-submit and its pages. Error code is: -9."),
    "killed in a shell": AirflowException("Cannot execute: spark-submit and its pages. Error code is: 137."),
    "lasts on a cluster": AirflowException("Cannot execute: spark-submit and its pages. Error code is: 65."),
    "too long": AirflowTaskTimeout(),
}
found = {}
for name, error in errors.items():
    for attempt in (1, 3):
        task = SimpleNamespace(execution_timeout=timedelta(hours=3))
        ti = SimpleNamespace(task_id="a.job", dag_id="a_dag", id="r", try_number=attempt, max_tries=2, task=task)
        failed = failure(error, {"ti": ti})
        found[f"{name} {attempt}"] = [isinstance(failed, TaskFailedForGood), str(failed)]
print(json.dumps(found))
"""
CLEAR = "When that is mended, clear the task a.job of a_dag with Downstream: the same window is worked on again."
AGAIN = "It is tried again by itself, as attempt 2."
KILLED = "a.job failed: its process was killed, probably out of memory. Let fewer tasks run at once"

Sentences = dict[str, list[Any]]


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Sentences:
    settings = Settings(home=tmp_path_factory.mktemp("telling"))
    environment = {**os.environ, **airflow_environment(settings, 8080, "redis://localhost")}
    done = subprocess.run(
        [sys.executable, "-c", SENTENCES], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: Sentences = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.airflow
def test_what_may_mend_itself_is_tried_again_and_then_says_what_to_clear(sentences: Sentences) -> None:
    assert sentences["mends itself 1"] == [False, f"The disk is full. {AGAIN}"]
    assert sentences["mends itself 3"] == [False, f"The disk is full. {CLEAR}"]


@pytest.mark.airflow
def test_what_lasts_is_not_tried_again(sentences: Sentences) -> None:
    assert sentences["lasts 1"] == [True, f"The batch breaks a rule. {CLEAR}"]
    for_good, text = sentences["lasts on a cluster 1"]
    assert for_good and text.startswith("a.job failed: spark-submit ended with code 65.") and text.endswith(CLEAR)


@pytest.mark.airflow
@pytest.mark.parametrize("how", ["killed", "killed by the kernel", "killed in a shell"])
def test_a_kill_is_told_as_one_with_what_to_do(sentences: Sentences, how: str) -> None:
    for_good, text = sentences[f"{how} 1"]
    assert not for_good and text.startswith(KILLED) and text.endswith(AGAIN)
    assert sentences[f"{how} 3"][1].endswith(CLEAR)


@pytest.mark.airflow
def test_a_task_that_took_too_long_says_so(sentences: Sentences) -> None:
    assert sentences["too long 1"][1].startswith("a.job failed: it took longer than 3:00:00 and was ended.")


def test_a_real_task_that_cannot_succeed_ends_at_once_and_its_log_with_the_sentence(refused: dict[str, Any]) -> None:
    assert (refused["state"], refused["try_number"]) == ("failed", 1)
    last = [line for line in refused["log"] if line and not line.startswith("::")][-1]
    assert "media.ingest cannot run for [2999-01-01" in last and "not here yet" in last
    assert last.endswith(
        "clear the task media.ingest of reelmill_ingest with Downstream: the same window is worked on again."
    )


def test_a_run_notes_its_day_and_each_table_that_it_wrote_is_an_event_with_rows_and_version(
    told: dict[str, Any],
) -> None:
    assert told["note"] == "Works for 2026-01-10 (UTC)."
    events = [{"table": event["name"], **event["extra"]} for event in told["events"]]
    of_the_day = {event["table"] for event in events if event.pop("window").endswith("2026-01-11T00:00)")}
    assert of_the_day >= {"gold.user_daily", "gold.feeds"}
    key = itemgetter("run_id", "table")
    assert sorted(events, key=key) == sorted(told["written"], key=key)
