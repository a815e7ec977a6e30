"""The whole path on a small world: uploads and watches go in, Airflow runs the night, feeds come out over HTTP."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from deltalake import DeltaTable

import data_contracts
from jobs.command.endpoint import served
from jobs.command.orchestrators import airflow_environment
from jobs.command.progress import run_pipeline
from jobs.engine.query import query, tables
from jobs.engine.tables import Tables
from jobs.host.redis_server import redis_url
from jobs.pipeline import WRITERS, jobs_of
from jobs.settings import REPOSITORY, Settings
from serving.feed_store.writer import FeedStore

# In a process of its own: importing Airflow takes seconds, rewires logging and writes into AIRFLOW_HOME.
EXECUTED = """
import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4
from airflow.sdk.exceptions import AirflowSkipException
from dags.gate import Look
from dags.reelmill_ingest import dag

scheduled, rendered = SimpleNamespace(run_type="scheduled"), ["--date", "2026-01-10T12:00:00Z"]
for task in (task for task in dag.tasks if task.task_id != "gate"):
    attempt = SimpleNamespace(id=uuid4(), task_id=task.task_id, dag_id=dag.dag_id, try_number=1, max_tries=2)
    task.application_args = ["--job", task.task_id, *rendered, "--run-id", str(attempt.id)]
    try:
        task.execute({"dag_run": scheduled, "ti": attempt})
    except AirflowSkipException as skipped:
        print(task.task_id, "is skipped:", skipped)

look = Look(["no.such.job"])
run = SimpleNamespace(run_type="scheduled", logical_date=datetime(2026, 1, 10, 12, tzinfo=UTC))
look.task_instance = SimpleNamespace(task_id="gate", get_template_context=lambda: {"dag_run": run, "params": {}})
print("a gate that cannot look:", asyncio.run(anext(look.run())).task_instance_state)
"""


# What a night writes; the hourly tables are of another pipeline.
WRITTEN = {table for job in jobs_of("nightly") for table in job.writes}
# Nobody has been shown a feed of ours before the first night, nothing is compared, and no rule hides anything.
UNWRITTEN = {"gold.explorations", "gold.arm_daily", "gold.visibility"}


def test_delta_rs_reads_every_table_and_sees_the_columns_of_its_contract(night: Path) -> None:
    found = {table.name: DeltaTable(table.path) for table in tables(Settings(home=night))}
    assert set(found) >= WRITTEN
    for name, table in found.items():
        contract = data_contracts.load("quarantine.rows" if name.startswith("quarantine.") else name)
        comments = {f.name: f.metadata.get("comment", "") for f in table.schema().fields}
        assert list(comments) == [c.name for c in contract.columns], name
        assert all(comments[c.name].startswith(c.description.strip()) for c in contract.columns), name
        rows = table.to_pyarrow_dataset().count_rows()
        assert rows > 0 or name in UNWRITTEN, name


def test_the_nightly_dag_takes_uploads_and_watches_to_a_new_feed_in_redis(night: Path) -> None:
    settings = Settings(home=night)
    with redis_url(settings) as redis, FeedStore(redis) as feeds:
        published = feeds.current_version()
    assert query("SELECT DISTINCT feed_version FROM gold.feeds", settings)[1] == [(published,)]


def test_a_scheduled_task_that_has_nothing_to_do_is_skipped_with_its_reason(night: Path) -> None:
    environment = {**os.environ, **airflow_environment(Settings(home=night), 8080, "redis://127.0.0.1:1")}
    done = subprocess.run(
        [sys.executable, "-c", EXECUTED], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    skipped = [line.partition(" is skipped: ")[::2] for line in done.stdout.splitlines() if " is skipped: " in line]
    assert {task for task, _ in skipped} == {"events.ingest", "media.ingest", "media.publish", "events.watches"}
    assert all(reason.startswith(f"Nothing has arrived for {task} since its run of 20") for task, reason in skipped)
    assert "a gate that cannot look: success" in done.stdout


def test_five_minutes_in_which_nothing_arrives_are_decided_in_the_triggerer_which_says_why(
    told: dict[str, Any],
) -> None:
    idle = told["idle"]
    assert idle["states"] == {"gate": "skipped", **{job.name: "skipped" for job in jobs_of("ingest")}}
    assert [line.split(" since ")[0] for line in idle["log"] if line.startswith("Nothing")] == [
        f"Nothing has arrived for {job.name}" for job in jobs_of("ingest")
    ]


def test_every_person_is_served_a_feed_that_pages_without_repeats(night: Path) -> None:
    settings = Settings(home=night)
    people = [row[0] for row in query("SELECT DISTINCT user_id FROM silver.watches ORDER BY 1", settings)[1]]
    with served(settings) as url, httpx.Client(base_url=url) as client:
        assert client.get("/readyz").status_code == 200
        for person in people:
            seen: list[str] = []
            cursor = None
            while True:
                parameters = {"limit": "7"} | ({"cursor": cursor} if cursor else {})
                page = client.get(f"/v1/feed/{person}", params=parameters).raise_for_status().json()
                assert not page["is_fallback"]
                assert all(item["reason"] for item in page["items"])
                seen += [item["video_id"] for item in page["items"]]
                if (cursor := page["next_cursor"]) is None:
                    break
            assert len(seen) == len(set(seen)) > 0
        stranger = client.get("/v1/feed/nobody-knows-me").raise_for_status().json()
        assert stranger["is_fallback"] and stranger["items"]
        shown = client.get(f"/v1/videos/{seen[0]}").raise_for_status().json()
        assert {"video_id", "user_id", "title", "hashtags", "duration", "views", "likes", "playback_url"} <= set(shown)
        playlist = client.get(shown["playback_url"]).raise_for_status()
        assert playlist.text.startswith("#EXTM3U")


@pytest.mark.usefixtures("spark")
def test_the_same_night_again_by_the_command_gives_the_same_tables(
    night: Path, content: Callable[[Path], dict[str, str]]
) -> None:
    first = content(night)
    # In one process and one job after the other, where Airflow's tasks were two at a time.
    run_pipeline("nightly", None, Settings(home=night))
    assert content(night) == first


def test_what_the_world_got_wrong_is_kept_with_its_reason(night: Path) -> None:
    _, rows = query('SELECT unnest(rules), count(*) FROM quarantine."bronze.events" GROUP BY 1', Settings(home=night))
    assert rows and all(count > 0 for _, count in rows)


def test_every_run_is_recorded_with_the_versions_it_read_and_wrote(night: Path) -> None:
    _, rows = query(
        'SELECT r.job, w.unnest."table", w.unnest.version FROM ops.job_runs r, unnest(r.writes) w '
        "WHERE r.status = 'succeeded'",
        Settings(home=night),
    )
    written = {table for _, table, _ in rows}
    assert written >= WRITTEN - UNWRITTEN
    for job, table, version in rows:
        assert WRITERS[table].name == job
        assert version <= Tables.of(Settings(home=night)).version(table)
