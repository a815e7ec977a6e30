"""Every question of docs/analysts.md has an answer, by its SQL as it stands there.

The home has a few rows of each table that they ask, made of the contracts, such that each question finds some.
"""

import re

import pytest
from pyspark.sql import SparkSession

from data_contracts import made, tables
from jobs.command.asking import Asking
from jobs.settings import REPOSITORY, Settings
from tests.contracted import put

TEXT = (REPOSITORY / "docs" / "analysts.md").read_text()
QUESTIONS = dict(re.findall(r"^### \d+\. (.*?)\n.*?```sql\n(.*?)```", TEXT, re.MULTILINE | re.DOTALL))
DAY, WEEK_BEFORE = "2026-01-18", "2026-01-09"
ANN = {"user_id": "viewer-0000"}
NIGHT = {"window_start": f"{DAY}T00:00Z", "window_end": "2026-01-19T00:00Z", "seconds": 5}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("analysts") / "home")
    published = {"status": "published", "published_at": f"{WEEK_BEFORE}T08:00Z", "duration_ms": 12000}
    refused = {"status": "rejected", "reason": "too_long: 362 s, limit 180 s"}
    put(settings, "silver.videos", {"video_id": "v1", "user_id": "creator-1", **published})
    put(settings, "silver.videos", {"video_id": "v2", "user_id": "creator-1", **refused})
    watch = {**ANN, "video_id": "v1", "watch_ms": 11000, "share_watched": 0.9, "is_finished": True, "is_skipped": False}
    put(settings, "silver.watches", {**watch, "started_at": f"{WEEK_BEFORE}T09:00Z", "marks": ["too_fast"]})
    put(settings, "silver.watches", {**watch, "started_at": f"{DAY}T09:00Z", "position": 0, "feed_version": "f"})
    seen = {**ANN, "feed_version": "f"}
    put(settings, "silver.impressions", {**seen, "position": 0, "started_at": f"{DAY}T09:00Z"})
    put(
        settings,
        "silver.impressions",
        {**seen, "position": 1},
        {**seen, "position": 0, "not_interested_at": f"{DAY}T09:00Z"},
    )
    put(settings, "gold.hashtag_daily", {"hashtag": "cats", "event_date": WEEK_BEFORE, "views_7d": 1})
    put(settings, "gold.hashtag_daily", {"hashtag": "cats", "event_date": DAY, "views_7d": 3})
    slot = {**ANN, "event_date": DAY, "video_id": "v1"}
    put(settings, "gold.feeds", {**slot, "position": 0, "feed_version": "f", "reason": "You watch #cats"})
    put(settings, "gold.candidates", {**slot, "source": "fresh", "rank": 0, "because": "cats"})
    judged = {"event_date": DAY, "system": "fusion", "is_judged": True, "is_serving": True, "ndcg_at_10": 0.1}
    put(settings, "gold.verdicts", judged)
    wrote = {"table": "gold.feeds", "version": 1, "rows": 1, "quarantined": 0, "bytes": 9}
    good = {**NIGHT, "started_at": "2026-01-19T02:00Z", "status": "succeeded", "rows": 1, "writes": [wrote]}
    put(settings, "ops.job_runs", {"run_id": "r1", "job": "feeds.build", **good, "reads": []})
    bad = {**NIGHT, "started_at": "2026-01-19T01:00Z", "status": "failed", "error": "OSError: the disk is full"}
    put(settings, "ops.job_runs", {"run_id": "r0", "job": "feeds.build", **bad, "rows": 0, "writes": []})
    off = {"event_date": DAY, "feature": "fresh_rank", "table_name": "gold.candidates", "is_within_limits": False}
    put(settings, "ops.feature_quality", {**off, "psi_beyond_chance": 0.5})
    put(settings, "quarantine.bronze.events", {"rules": ["line_is_an_event"], "row": "{}"})
    return settings


def answer(question: str, home: Settings, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of the answer, without its head."""
    Asking(home, form="csv").answer(QUESTIONS[question])
    return capsys.readouterr().out.splitlines()[1:]


def test_there_are_twenty_three_questions() -> None:
    assert len(QUESTIONS) == 23 == len(re.findall("^```sql", TEXT, re.MULTILINE))


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered(question: str, home: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(question, home, capsys)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which hashtags grow?", ["cats,3,1,2"]),
        ("What share of the slots do new creators get?", [f"{DAY},1,1.0"]),
        ("Do viewers come back?", ["2026-01-05 00:00:00,1,1.0,0.0,0.0"]),
        ("What was refused, and why?", ['too_long,1,1,"too_long: 362 s, limit 180 s"']),
        ("How often is what is shown watched, by its place in the feed?", ["0,2,0.5,1", "1,1,0.0,0"]),
        ("How do new videos start?", [f"v1,{WEEK_BEFORE} 08:00:00+00:00,1,0.9"]),
    ],
)
def test_what_is_easily_computed_wrongly_is_right(
    question: str, expected: list[str], home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(question, home, capsys) == expected


def test_spark_knows_the_tables_by_name_and_answers_the_same(
    spark: SparkSession, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    # One table and one question, that which is written otherwise there: each takes Spark a second or more.
    put(settings, "quarantine.bronze.events", {"rules": ["line_is_an_event"], "row": "{}"})
    (told,) = re.findall(r"^\*\*Spark\*\*.*?```python\n(.*?)```", TEXT, re.MULTILINE | re.DOTALL)
    exec(told.replace("var/lake", str(settings.lake)), {"spark": spark})
    try:
        question = "What was set aside, and why?"
        sql = QUESTIONS[question].replace("unnest(", "explode(").replace('"bronze.events"', "bronze_events")
        rows = [",".join(map(str, row)) for row in spark.sql(sql).collect()]
        assert rows == answer(question, settings, capsys)
    finally:
        spark.sql("DROP SCHEMA quarantine CASCADE")


def test_questions_name_tables_that_there_are() -> None:
    known = {*tables(), *made(), "quarantine.bronze.events"}
    asked = set(
        re.findall(r"\b(?:FROM|JOIN) ((?:bronze|silver|gold|ops|quarantine)\.[\w.\"]+)", "".join(QUESTIONS.values()))
    )
    assert {name.replace('"', "") for name in asked} <= known and len(asked) > 8
